"""Scripts that are sent over kept connections, past redis-py's client."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from tests.backends.stores import FIRST, PATIENCE, SECOND, record_of, renewals
from tests.servers import Proxy, RedisServer
from tests.servers.certificate import Certificate
from unique_task import LockStoreError, RedisBackend
from unique_task.backends.steps import Acquired, Renewed, Stored

#: Looks like a part of an answer, and is longer than what is read at once.
VALUE = b"\0\r\n$7\r\n" * 20_000

LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"


@pytest.fixture
def failed_over(tmp_path: Any) -> Iterator[Any]:
    """A backend that is still connected to a replica; its URL is the new master's."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with RedisServer(tmp_path / "old") as old, RedisServer(tmp_path / "new") as new:
        with Proxy(old.url) as proxy:
            backend = connected(proxy.url)
            master = urlsplit(new.url)
            Redis.from_url(old.url).replicaof(master.hostname, master.port)
            proxy.lead_to(new.url)
            yield backend


def test_a_server_that_has_become_a_replica_is_left(failed_over):
    assert isinstance(failed_over.acquire("key", FIRST, expire=10), Acquired)
    assert failed_over.release("key", FIRST.token)


def test_renewals_leave_a_server_that_has_become_a_replica(failed_over):
    assert failed_over.renew(renewals(["key"])) == [Renewed.RETAKEN]


# How a connection is used


@pytest.fixture
def tls(tmp_path: Any) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        yield server


WAYS: dict[str, Callable[[Any], str]] = {
    "tcp": lambda find: find("redis_server").url,
    "unix": lambda find: find("redis_server").unix_url,
    "tls": lambda find: find("tls").url,
    "version 3": lambda find: find("redis_server").url + "?protocol=3",
    "one": lambda find: find("redis_server").url + "?max_connections=1",
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, redis_url: str) -> str:
    return WAYS[request.param](request.getfixturevalue)


def connected(url: str) -> Any:
    """A backend whose server knows the scripts of a run."""
    backend = RedisBackend(url)
    backend.acquire("another", FIRST, expire=10)
    backend.release("another", FIRST.token)
    backend.get("another")
    return backend


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have redis-py's client refuse commands from now on."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this was for redis-py's client")

    return lambda: monkeypatch.setattr(Redis, "execute_command", refuse)


def test_a_lock_is_taken_and_freed_past_the_client(way, no_client):
    backend = connected(way)
    no_client()

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert backend.get("key").record == backend.acquire("key", SECOND, 10).record
    assert backend.release("key", FIRST.token, value=VALUE, fresh_for=10)
    assert backend.acquire("key", SECOND, 10, accept_value=True) == Stored(VALUE)
    assert not backend.release("key", FIRST.token)
    assert backend.get("key") is None


@pytest.mark.parametrize(
    "option", ["health_check_interval=30", "retry_on_timeout=1", "encoding=latin-1"]
)
def test_options_of_the_client_are_left_to_the_client(redis_url, option, no_client):
    backend = connected(f"{redis_url}?{option}")
    no_client()

    with pytest.raises(AssertionError, match="for redis-py's client"):
        backend.get("key")


def test_text_that_is_not_ascii_is_one_key_for_both_ways(redis_url):
    direct = RedisBackend(redis_url).with_prefix("ü:")
    by_client = RedisBackend(client=Redis.from_url(redis_url, socket_timeout=PATIENCE))
    direct.acquire("☃", FIRST, expire=10)

    held = by_client.with_prefix("ü:").get("☃")

    assert held and held.record.token == FIRST.token


def test_one_connection_is_enough_for_all_operations(redis_server, redis_url):
    before = len(redis_server.client.client_list())
    backend = connected(f"{redis_url}?max_connections=1")
    for _ in range(3):
        assert isinstance(backend.acquire("key 0", FIRST, expire=10), Acquired)
        assert backend.renew(renewals(["key 0", "key 1"])) == [
            Renewed.HELD,
            Renewed.RETAKEN,
        ]
        backend.check()
        assert backend.release("key 0", FIRST.token)
        assert backend.release("key 1", FIRST.token)

    assert len(redis_server.client.client_list()) == before + 1


def test_threads_that_ask_in_both_ways_share_the_connections(redis_server, redis_url):
    before = len(redis_server.client.client_list())
    backend = RedisBackend(f"{redis_url}?max_connections=3")

    def ask(number: int) -> None:
        record, key = record_of(f"task {number}"), f"key {number}"
        for _ in range(30):
            assert isinstance(backend.acquire(key, record, expire=100), Acquired)
            assert backend.renew(renewals([f"other {number}"]))
            assert backend.release(key, record.token)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))

    assert len(redis_server.client.client_list()) <= before + 3


# Trouble


def test_nothing_is_sent_to_a_server_that_has_closed(redis_server, redis_url):
    backend = connected(redis_url)
    for _ in range(3):
        redis_server.client.client_kill_filter(_type="normal", skipme=True)

        # If its answer could have been lost, it might have released the lock.
        assert not backend.release("key", FIRST.token)


def test_what_a_server_says_unasked_is_no_answer(redis_proxy):
    backend = connected(redis_proxy.url)
    for _ in range(3):
        redis_proxy.change_replies(lambda reply: (reply + reply, True))
        assert backend.get("key") is None
        redis_proxy.restore()

        assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
        assert backend.release("key", FIRST.token)


def test_a_server_that_is_loading_is_asked_again(redis_proxy):
    backend = connected(redis_proxy.url)
    replies = iter([LOADING])
    redis_proxy.change_replies(lambda reply: (next(replies, reply), True))

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_replica_is_a_store_error_until_it_is_a_master(own_redis):
    backend = connected(own_redis.url)
    own_redis.client.replicaof("127.0.0.1", "1")
    with pytest.raises(LockStoreError, match="(?i)read.?only"):
        backend.acquire("key", FIRST, expire=10)

    own_redis.client.replicaof("NO", "ONE")

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_an_error_of_the_server_costs_no_connection(redis_server, redis_url):
    backend = connected(redis_url)
    redis_server.client.lpush("unique:{list}", "item")
    known = redis_server.client.info("stats")["total_connections_received"]

    for _ in range(3):
        with pytest.raises(LockStoreError, match="WRONGTYPE"):
            backend.get("list")
        redis_server.client.script_flush()
        assert backend.get("key") is None

    now = redis_server.client.info("stats")["total_connections_received"]
    assert now == known


def test_no_answer_is_read_by_another_request(redis_proxy):
    backend = RedisBackend(redis_proxy.url)
    redis_proxy.change_replies(Trouble(seed=17))

    with ThreadPoolExecutor(8) as threads:
        owners = list(threads.map(lambda n: own_locks(backend, f"task-{n}"), range(8)))
    redis_proxy.restore()

    assert [backend.get(key) for keys in owners for key in keys] == [None] * 400


class Trouble:
    """Cuts, repeats and swallows replies."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, reply: bytes) -> tuple[bytes, bool]:
        kind = self._random.random()
        if kind < 0.05:
            return b"", False
        if kind < 0.1:
            return reply[: self._random.randrange(len(reply))], False
        if kind < 0.2:
            return reply + reply, True
        return reply, True


def own_locks(backend: RedisBackend, owner: str) -> list[str]:
    """Take and free locks whose answers tell whose they are; return their keys."""
    keys = [f"{owner}, lock {number}" for number in range(50)]
    for key in keys:
        mine, other = record_of(owner), record_of("another")
        fence = in_the_end(lambda: backend.acquire(key, mine, expire=1000)).fence
        held = in_the_end(lambda: backend.acquire(key, other, expire=1000))
        assert (held.record.token, held.record.fence) == (mine.token, fence)
        assert in_the_end(lambda: backend.get(key)).record.token == mine.token
        assert released(backend, key, mine.token)
        assert in_the_end(lambda: backend.get(key)) is None
    return keys


def released(backend: RedisBackend, key: str, token: str) -> bool:
    try:
        return backend.release(key, token)
    except LockStoreError:  # it may have released the lock all the same
        in_the_end(lambda: backend.release(key, token))
        return True


def in_the_end(ask: Callable[[], Any]) -> Any:
    """What the store answers when it does."""
    while True:
        try:
            return ask()
        except LockStoreError:
            pass
