"""What is special about locks in memcached, one server or several."""

import time
from typing import Any

import pytest

from tests.backends.stores import FIRST, LEASE, SECOND, record_of
from tests.forking import in_fork
from unique_task import ConfigurationError
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.memcached.cells import LONGEST
from unique_task.backends.registry import backend_class, can_hold_locks
from unique_task.backends.steps import Acquired, Finished, Heir, Held, Renewal, Renewed


@pytest.fixture
def backend(memcached_url: str) -> MemcachedBackend:
    return MemcachedBackend(memcached_url)


# Where it is


@pytest.mark.parametrize(
    "url, name",
    [
        ("memcached://one", "memcached://one:11211"),
        ("memcached://one:1;two:2/", "memcached://one:1;two:2"),
        ("cache+memcached://127.0.0.1:11211/", "memcached://127.0.0.1:11211"),
        ("cache+pymemcache://one;two", "memcached://one:11211;two:11211"),
        ("memcached://[::1]:7", "memcached://::1:7"),
        ("memcached:///run/memcached.sock", "memcached:///run/memcached.sock"),
    ],
)
def test_servers_are_named_as_celery_does(url, name):
    assert can_hold_locks(url)
    assert backend_class(url) is MemcachedBackend
    assert MemcachedBackend(url).name == name


@pytest.mark.parametrize(
    "url",
    [
        *("memcached://", "memcached://one:port", "memcached://;"),
        *("memcached://one,two", "memcached://shop@one", "memcached://one?pool=2"),
        "memcached://one;one:11211",
    ],
)
def test_a_url_that_cannot_be_read_is_an_error_that_shows_how(url):
    with pytest.raises(ConfigurationError, match="memcached://host:11211"):
        MemcachedBackend(url)


def test_the_order_of_the_servers_does_not_matter(
    memcached, memcached_url, own_memcached
):
    servers = [memcached.url, own_memcached.url.removeprefix("memcached://")]
    one = MemcachedBackend(";".join(servers))
    other = MemcachedBackend(f"memcached://{servers[1]};{servers[0][12:]}")

    for number in range(20):
        key = f"key {number}"
        assert isinstance(one.acquire(key, record_of(key), 10), Acquired)
        assert isinstance(other.acquire(key, FIRST, 10), Held)
    assert one.fingerprint == other.fingerprint


def test_locks_are_spread_over_the_servers(memcached, memcached_url, own_memcached):
    backend: Any = MemcachedBackend(
        f"{memcached.url};{own_memcached.url.removeprefix('memcached://')}"
    )
    for number in range(20):
        key = f"key {number}"
        backend.acquire(key, FIRST, 10, remember_for=10)
        backend.release(key, FIRST.token, value=b"value", fresh_for=10)

    assert own_memcached.client.stats()[b"cmd_set"] > 0
    assert memcached.client.stats()[b"cmd_set"] > 0


# What it cannot do


def test_a_lock_never_ends_early(backend):
    for _ in range(3):
        asked = time.monotonic()
        backend.acquire("key", FIRST, expire=1)
        while backend.get("key"):
            time.sleep(0.01)
        assert time.monotonic() - asked >= 1


def test_a_lock_that_is_kept_over_and_over_does_not_grow(backend):
    message = record_of("message")
    backend.acquire("key", message, expire=100)
    for _ in range(5):
        taken = record_of("message")
        backend.acquire(
            "key", taken, 100, take_over_from=[message.token], keep_end=True
        )
        message = taken

    assert backend.get("key").remaining <= 100


def test_a_lock_for_too_long_is_refused(backend):
    taken = backend.acquire("other", SECOND, expire=10)
    assert isinstance(taken, Acquired)
    too_long = pytest.raises(ConfigurationError, match=str(LONGEST))
    with too_long:
        backend.acquire("key", FIRST, expire=LONGEST + 1)
    with too_long:
        backend.reserve("key", FIRST, expire=LONGEST + 1)
    with too_long:
        backend.renew([Renewal("key", FIRST, None, LONGEST + 1)])

    assert backend.get("key") is None


def test_what_is_remembered_for_too_long_is_remembered_for_as_long_as_can_be(backend):
    backend.acquire("key", FIRST, LONGEST, remember_for=LONGEST * 2)
    heir = Heir(SECOND, LONGEST * 2)

    assert backend.release("key", FIRST.token, finished_for=LONGEST * 2, heir=heir)

    assert backend.acquire("key", FIRST, 10, remember_for=LONGEST * 2) == Finished()
    assert LONGEST - 60 < backend.get("key").remaining <= LONGEST


def test_a_lock_that_the_server_forgot_is_taken_again_if_it_is_free(own_memcached):
    backend: Any = MemcachedBackend(own_memcached.url)
    fence = backend.acquire("key", FIRST, expire=10).fence
    own_memcached.restart()

    renewal = Renewal("key", FIRST, fence, 10)
    assert backend.renew([renewal]) == [Renewed.RETAKEN]
    assert isinstance(backend.acquire("key", SECOND, 10), Held)


def test_the_log_is_told_what_may_be_lost(backend):
    assert "memcached forgets" in backend.promises.warning
    assert not backend.promises.fenced


# Only the holder


def test_a_holder_that_others_came_before_in_between_frees_nothing(backend):
    """It read the lock as its own; then another attempt took the lock over."""
    backend.acquire("key", FIRST, expire=10)
    [clients] = backend._nodes.values()
    node = clients._idle[-1]
    command = node.raw_command

    def raw_command(text, *args):
        if text.startswith("md "):
            other = MemcachedBackend(backend.name)
            assert isinstance(
                other.acquire("key", SECOND, 10, take_over_from=[FIRST.token]), Acquired
            )
        return command(text, *args)

    node.raw_command = raw_command
    assert not backend.release("key", FIRST.token)
    del node.raw_command

    assert backend.get("key").record.token == SECOND.token


def test_a_fork_has_connections_of_its_own(backend):
    backend.acquire("key", FIRST, expire=LEASE)

    child = in_fork(lambda: type(backend.acquire("key", SECOND, expire=LEASE)))

    assert child is Held
    assert backend.release("key", FIRST.token)


def test_a_record_that_has_no_room_is_refused(backend):
    """Of a longer answer the client loses a part."""
    fitting, long = record_of("x" * 1400), record_of("x" * 1500)
    taken = backend.acquire("key", fitting, expire=10, remember_for=10)

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.token == fitting.token
    assert backend.release("key", fitting.token, heir=Heir(fitting, 10))
    for take in (backend.acquire, backend.reserve):
        with pytest.raises(ConfigurationError, match="has room for 1500"):
            take("another", long, expire=10)
