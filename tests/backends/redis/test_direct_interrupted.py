"""Operations over kept connections that something breaks off in the middle."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.alarm import IN_CALLBACKS, Alarm
from tests.backends.stores import FIRST, SECOND, record_of
from tests.forking import in_fork
from tests.programs import run_python
from tests.servers import Proxy
from tests.waiting import wait_until
from unique_task import RedisBackend
from unique_task.backends.steps import Acquired, Held


class TooLate(BaseException):
    """Like Celery's soft time limit, which is raised anywhere."""


@pytest.fixture
def backend(redis_proxy: Proxy, redis_url: str) -> RedisBackend:
    """Through the proxy; two operations have left a connection each."""
    RedisBackend(redis_url).acquire("held", SECOND, expire=1000)
    backend = RedisBackend(redis_proxy.url)
    with ThreadPoolExecutor(2) as threads:
        redis_proxy.delay(0.1)
        list(threads.map(backend.get, ["held", "free"]))
    redis_proxy.restore()
    return backend


def too_late() -> None:
    raise TooLate


def test_a_late_answer_is_not_read_by_the_next_operation(backend, redis_proxy):
    for _ in range(3):
        redis_proxy.hang()
        with pytest.raises(TooLate), Alarm(0.1, too_late):
            backend.get("held")
        redis_proxy.restore()

        assert backend.get("free") is None
        assert isinstance(backend.acquire("held", FIRST, expire=10), Held)


@IN_CALLBACKS
def test_a_connection_may_break_off_at_any_moment_of_its_start(redis_url):
    # The moments are those of a first operation, which connects.
    for number in range(300):
        backend = RedisBackend(f"{redis_url}?db=1")
        with suppress(TooLate), Alarm(1e-6 + number * 1e-5, too_late):
            backend.get("free")

        assert backend.get("free") is None


@IN_CALLBACKS
def test_an_operation_may_break_off_at_any_moment(backend, redis_proxy):
    # The moments are those of a whole operation, and some after it.
    for number in range(300):
        with suppress(TooLate), Alarm(1e-6 + number * 1e-5, too_late):
            backend.get("held")
            backend.get("free")

        assert backend.get("free") is None
        assert backend.get("held").record.token == SECOND.token


def test_a_handler_of_a_signal_may_ask_in_the_middle_of_an_operation(
    backend, redis_proxy
):
    found = []
    redis_proxy.delay(0.3)
    with Alarm(0.1, lambda: found.append(backend.get("held"))):
        assert backend.get("free") is None

    assert [held.record.token for held in found] == [SECOND.token]


def test_a_fork_uses_none_of_the_connections(backend, redis_proxy):
    redis_proxy.delay(0.3)
    before = redis_proxy.requests
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(backend.get, "held")
        wait_until(lambda: redis_proxy.requests > before)

        def child() -> list[object]:
            taken = backend.acquire("child's", record_of("child"), expire=1000)
            return [taken, backend.get("free"), os.getpid()]

        [taken, free, _] = in_fork(child)
        assert backend.get("free") is None
        assert asked.result().record.token == SECOND.token

    assert isinstance(taken, Acquired)
    assert free is None
    assert backend.get("child's").record.owner == "child"


KILLED = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from unique_task import RedisBackend
backend = RedisBackend(sys.argv[1], timeout=60)
found = []
for number in range(300):
    asking = gevent.spawn(backend.get, "held")
    gevent.sleep(number * 1e-5)
    asking.kill()
    found.append(backend.get("free") is None and backend.get("held").record.owner)
print(set(found), backend._turns._all.qsize())
"""


def test_a_greenlet_may_be_killed_in_the_middle_of_an_operation(backend, redis_proxy):
    done = run_python(KILLED, redis_proxy.url, options=("-W", "ignore"))

    assert done.stdout.split() == ["{'second'}", "32"], done.stderr
