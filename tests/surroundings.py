"""What the machine that runs the tests has set for servers and programs of its own."""

import os

#: How the names of environment variables begin by which a broker, a store, a client, or
#: Celery itself would be another than the test says.
OTHERS = (
    *("CELERY_", "C_", "DJANGO_SETTINGS_MODULE"),
    *("REDIS", "VALKEY", "MEMCACHE", "RABBITMQ_", "ERL_", "AMQP_", "CLOUDAMQP_"),
    # Of PostgreSQL's programs and its client's library; of MySQL's and MariaDB's.
    *("PG", "PSYCOPG_", "MYSQL", "MARIADB", "DATABASE_URL"),
)


def forget() -> None:
    """Take such variables out of this process, and so of all that it starts."""
    for name in list(os.environ):
        if name.startswith(OTHERS):
            del os.environ[name]
