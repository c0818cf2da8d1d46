"""How many connections a process has when hundreds of its tasks come together."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from tests.backends.stores import record_of
from tests.programs import run_python
from tests.servers import MemcachedServer, PostgreSQLServer, RedisServer
from unique_task.backends.base import Backend
from unique_task.backends.redis import RedisBackend
from unique_task.backends.registry import backend_class, open_backend
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.engine import CONNECTIONS as TO_DATABASES
from unique_task.backends.turns import CONNECTIONS

MANY = 200

#: Seconds that all of them may take on a busy machine.
PATIENCE = 60

#: Milliseconds for which a server does not answer, so that all come together.
PAUSE = 500


def all_together(backend: Backend, count: int = MANY) -> None:
    """As many tasks begin at one moment, and end at another."""
    records = [record_of(f"task {number}") for number in range(count)]
    barrier = Barrier(count)

    def run(record: Any) -> bool:
        barrier.wait(PATIENCE)
        backend.acquire(record.owner, record, expire=100)
        barrier.wait(PATIENCE)
        return backend.release(record.owner, record.token)

    with ThreadPoolExecutor(count) as threads:
        assert all(threads.map(run, records))


REDIS = {
    "tcp": lambda server: server.url,
    "unix": lambda server: server.unix_url,
    "few": lambda server: f"{server.url}?max_connections=3",
}


@pytest.mark.parametrize("url", REDIS.values(), ids=REDIS)
def test_all_get_and_free_their_locks_in_a_redis_that_stalls(own_redis, url):
    backend = RedisBackend(url(own_redis), timeout=PATIENCE)
    own_redis.client.client_pause(PAUSE, all=False)

    all_together(backend)

    assert own_redis.client.dbsize() == 0
    assert ours(own_redis) <= (3 if "max" in url(own_redis) else CONNECTIONS)


def ours(server: RedisServer) -> int:
    clients: Any = server.client.client_list()
    return len([one for one in clients if one["cmd"] in ("evalsha", "eval")])


@pytest.mark.parametrize("store", ["sentinel_url", "cluster_url"])
def test_all_get_and_free_their_locks_where_several_servers_are_one(store, request):
    url = request.getfixturevalue(store)
    more = "?max_connections=2" if "?" not in url else "&max_connections=2"
    backend: Any = backend_class(url).from_url(url + more, timeout=PATIENCE)

    all_together(backend, 50)

    assert backend._turns.count == 2


def test_a_client_of_another_owner_has_no_more_than_its_pool(redis_url):
    client = redis.Redis.from_url(redis_url, max_connections=2, socket_timeout=PATIENCE)

    all_together(RedisBackend(client=client, timeout=PATIENCE), 20)


def test_all_get_and_free_their_locks_in_a_database(postgresql_url, postgresql):
    name = "all_together"
    url = f"{postgresql_url}?application_name={name}"
    backend = SQLBackend(url, timeout=PATIENCE)

    all_together(backend)

    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    with postgresql.connect() as connection:
        [found] = connection.execute(count, [name]).fetchone()
    assert 1 <= found <= TO_DATABASES
    backend.check()


def test_who_finds_a_database_full_waits_for_a_connection(
    postgresql_url: str, postgresql: PostgreSQLServer
):
    with postgresql.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS few")
        connection.execute(
            "CREATE ROLE few LOGIN PASSWORD 'sesame' CONNECTION LIMIT 2 IN ROLE shop"
        )
    SQLBackend(postgresql_url).check()
    url = sa.make_url(postgresql_url).set(username="few", password="sesame")

    all_together(SQLBackend(url.render_as_string(False), timeout=PATIENCE), 20)


def test_all_get_and_free_their_locks_in_memcached(own_memcached: MemcachedServer):
    backend = open_backend(own_memcached.url, timeout=PATIENCE)

    all_together(backend)

    client: Any = own_memcached.client
    assert client.stats()[b"total_connections"] < CONNECTIONS + 10


GREENLETS = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}

TOGETHER = """
import sys
from threading import Thread
from unique_task import RedisBackend
from unique_task.backends.record import Record
backend, freed = RedisBackend(sys.argv[1], timeout=60), []
def run(number):
    token = f"{number}/0/0//a"
    backend.acquire(str(number), Record(token), 100)
    freed.append(backend.release(str(number), token))
threads = [Thread(target=run, args=[number]) for number in range(300)]
for step in (Thread.start, Thread.join):
    for thread in threads:
        step(thread)
print(freed.count(True))
"""


@pytest.mark.parametrize("patch", GREENLETS.values(), ids=GREENLETS)
def test_300_greenlets_get_and_free_their_locks(redis_url, patch):
    done = run_python(patch + TOGETHER, redis_url, options=("-W", "ignore"))

    assert done.stdout.split() == ["300"], done.stderr
