"""What a worker does at its start about a store that holds no locks for it."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery.signals import worker_ready
from celery.worker import WorkController
from kombu.asynchronous import set_event_loop

from tests.servers import MariaDBServer, PostgreSQLServer, RedisServer, cluster
from unique_task import (
    LockStoreRefusedError,
    MemcachedBackend,
    RedisBackend,
    SQLBackend,
    unique,
)
from unique_task.backends.registry import open_backend

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def start(app):
    """Start a worker with a guarded task whose locks are there."""

    def start(url: str, **options: Any) -> WorkController:
        @app.task
        @unique(backend=url, **options)
        def work():
            raise AssertionError

        return WorkController(app=app, pool="threads", concurrency=1)

    yield start
    # A worker that is made and never stopped leaves its event loop to the next one.
    set_event_loop(None)


def refusal(start: Any, url: str) -> str:
    """Return what a worker says that does not start."""
    with pytest.raises(SystemExit) as caught:
        start(url)
    said = str(caught.value)
    assert said.startswith("unique_task: ")
    assert "sesame" not in said
    return said


def with_login(url: str, user: str, password: str) -> str:
    other = sa.make_url(url).set(username=user, password=password)
    return other.render_as_string(hide_password=False)


@pytest.fixture
def guest(redis_server: RedisServer) -> Any:
    """Log in a user who may do no more than the command that is named."""
    client: Any = redis_server.client

    def guest(command: str) -> str:
        client.acl_setuser(
            *("guest", True), passwords=["+sesame"], keys="*", commands=[command]
        )
        return redis_server.url.replace("redis://", "redis://guest:sesame@")

    yield guest
    client.acl_deluser("guest")


def test_a_wrong_password_of_redis_ends_the_worker(start, redis_url):
    url = redis_url.replace("redis://", "redis://nobody:sesame@")

    assert "invalid username-password pair" in refusal(start, url)


@pytest.mark.parametrize("command", ["-@all", "+evalsha"])
def test_a_user_of_redis_without_the_right_ends_the_worker(
    start, guest, redis_url, command
):
    RedisBackend(redis_url).check()  # so that the server knows the script
    said = refusal(start, guest(command))

    assert "no permissions" in said or "can't run this command" in said


def test_a_database_that_redis_does_not_have_ends_the_worker(start, redis_url):
    assert "DB index" in refusal(start, redis_url.replace("/0", "/4711"))


def test_a_single_server_that_is_called_a_cluster_ends_the_worker(start, redis_url):
    said = refusal(start, redis_url.replace("redis://", "redis+cluster://"))

    assert (
        f"is no node of a Redis Cluster, but a single server: use {redis_url}" in said
    )


def test_a_node_that_is_called_a_single_server_ends_the_worker(start, tmp_path):
    with cluster(tmp_path) as nodes:
        said = [refused(node.url) for node in nodes.nodes]

    assert all("use redis+cluster://" in text for text in said)


def refused(url: str) -> str:
    try:
        open_backend(url, timeout=2).check()
    except LockStoreRefusedError as error:
        return str(error)
    return ""


SERVERS = ["postgresql", "mariadb"]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> PostgreSQLServer | MariaDBServer:
    request.getfixturevalue(f"{request.param}_url")
    server: PostgreSQLServer | MariaDBServer = request.getfixturevalue(request.param)
    return server


def test_a_wrong_password_of_a_database_ends_the_worker(start, server):
    assert "shop" in refusal(start, with_login(server.url, "shop", "sesame"))


def test_a_database_that_is_not_there_ends_the_worker(start, server):
    elsewhere = sa.make_url(server.url).set(database="elsewhere")

    assert "elsewhere" in refusal(start, elsewhere.render_as_string(False))


def test_an_option_that_no_driver_takes_ends_the_worker(start, server):
    asked = sa.make_url(server.url).update_query_dict({"frobnicate": "yes"})

    assert "frobnicate" in refusal(start, asked.render_as_string(False))


def test_who_may_not_make_the_table_ends_with_what_would(start, server):
    guest = _of_a_guest(server.url, "guest")
    if server.name == "mariadb":
        _execute(server.url, "GRANT SELECT, INSERT, UPDATE ON shop.* TO guest")

    said = refusal(start, guest)
    assert re.search("CREATE TABLE (IF NOT EXISTS )?unique_task_locks", said)


def test_who_may_only_read_the_table_ends(start, server):
    reader = _of_a_guest(server.url, "reader")
    SQLBackend(server.url).check()
    _execute(server.url, "GRANT SELECT ON unique_task_locks TO reader")

    assert "denied" in refusal(start, reader)


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_who_lacks_one_right_to_the_table_ends(server, right):
    guest = _of_a_guest(server.url, "guest")
    SQLBackend(server.url).check()
    others = {"SELECT", "INSERT", "UPDATE", "DELETE"} - {right}
    _execute(server.url, f"GRANT {', '.join(others)} ON unique_task_locks TO guest")

    with pytest.raises(LockStoreRefusedError, match="denied"):
        SQLBackend(guest).check()

    _execute(server.url, f"GRANT {right} ON unique_task_locks TO guest")
    SQLBackend(guest).check()


def test_what_ends_locks_before_their_time_is_in_the_log_of_a_worker(
    start, caplog, redis_server, redis_url
):
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    worker_ready.send(sender=start(redis_url))
    redis_server.client.config_set("maxmemory-policy", "noeviction")

    [warning] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "maxmemory-policy allkeys-lru" in warning.getMessage()


def _of_a_guest(url: str, name: str) -> str:
    """The URL of a user who may do nothing, in a database without our table."""
    statements = ["DROP TABLE IF EXISTS unique_task_locks"]
    if url.startswith("postgresql"):
        statements += [
            f"DROP ROLE IF EXISTS {name}",
            f"CREATE ROLE {name} LOGIN PASSWORD 'sesame'",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        ]
    else:
        statements.append(f"CREATE OR REPLACE USER {name} IDENTIFIED BY 'sesame'")
    _execute(url, *statements)
    return with_login(url, name, "sesame")


def _execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_a_directory_that_is_not_there_ends_the_worker(start, tmp_path):
    assert "unable to open" in refusal(start, f"sqlite:///{tmp_path}/no/locks.sqlite")


def test_a_file_that_is_no_database_ends_the_worker(start, tmp_path: Path):
    file = tmp_path / "locks.sqlite"
    file.write_text("These are no locks." * 100)

    assert "not a database" in refusal(start, f"sqlite:///{file}")


def test_a_lock_for_longer_than_the_store_keeps_one_ends_the_worker(app, start):
    days = MemcachedBackend.promises.longest / 86400

    with pytest.raises(SystemExit, match="work: expire=.*keeps no lock for more than"):
        start("memcached://localhost:1", expire=86400 * days + 1)


@pytest.mark.parametrize(
    "url",
    [
        *("redis://localhost:1/0", "redis+cluster://localhost:1"),
        "sentinel://localhost:1/0?master_name=shop",
        *("postgresql://localhost:1/shop", "mysql://localhost:1/shop"),
        "memcached://localhost:1",
    ],
)
def test_a_store_that_is_down_is_an_error_in_the_log_of_a_worker(start, caplog, url):
    worker_ready.send(sender=start(url))  # as it does when it is connected

    [error] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert error.getMessage().startswith("the store of locks is out of order: ")
