"""Locks in a database that fails, hangs, restarts or loses answers."""

import math
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from tests.alarm import IN_CALLBACKS, Alarm
from tests.backends.stores import FIRST, LEASE, PATIENCE, SECOND, connect, in_time
from tests.forking import in_fork, start_fork
from tests.servers import MariaDBServer, PostgreSQLServer, Proxy
from tests.waiting import wait_until
from unique_task import LockStoreError
from unique_task.backends.registry import open_backend
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.deadline import seconds_left
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed

SERVERS: dict[str, Any] = {"postgresql": PostgreSQLServer, "mariadb": MariaDBServer}

#: What a request to take or to release a lock contains: statements that are prepared
#: are sent by name.
TAKE = {"postgresql+psycopg": b"EXECUTE", "mysql+pymysql": b"INSERT INTO"}
RELEASE = {"postgresql+psycopg": b"EXECUTE", "mysql+pymysql": b"UPDATE"}


@pytest.fixture
def proxy(url: str, backend: SQLBackend) -> Iterator[Proxy]:
    with Proxy(url) as proxy:
        yield proxy


# A server out of order


def test_a_server_that_refuses_is_a_store_error_that_names_it(proxy):
    backend: Any = SQLBackend(proxy.url)
    proxy.cut()

    with pytest.raises(LockStoreError, match=f"127.0.0.1:{proxy.port}/shop") as error:
        backend.acquire("key", FIRST, expire=10)

    assert "s3cret" not in str(error.value)
    assert "INSERT" not in str(error.value)
    assert "\n" not in str(error.value), "one line for a log or a table"


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_hangs_is_given_up_in_time(proxy, connected):
    backend: Any = SQLBackend(proxy.url, timeout=2)
    if connected:
        connect(backend)
    proxy.hang()

    with in_time(2), pytest.raises(LockStoreError):
        backend.acquire("key", FIRST, expire=10)


def test_the_answers_of_a_slow_server_share_one_deadline(proxy):
    # Each answer comes within its own limit, and all together too late.
    backend: Any = SQLBackend(proxy.url, timeout=1)
    connect(backend)
    proxy.delay(0.35)

    with in_time(1), pytest.raises(LockStoreError):
        backend.acquire("key", FIRST, expire=10, remember_for=10)


def test_connections_that_the_server_closed_are_no_error(proxy):
    backend: Any = SQLBackend(proxy.url)
    backend.get("key")
    proxy.drop()

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_an_acquisition_whose_answer_was_lost_is_ours(proxy, backend):
    through_proxy = SQLBackend(proxy.url)
    through_proxy.check()
    proxy.swallow_replies(1, to=TAKE[proxy.url.partition(":")[0]])

    taken = through_proxy.acquire("key", FIRST, expire=10)

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.fence == taken.fence


@pytest.mark.parametrize("more", [{}, {"finished_for": 5}])
def test_a_release_whose_answer_was_lost_has_freed_the_lock(
    proxy, backend, more, commit
):
    through_proxy = SQLBackend(proxy.url)
    through_proxy.check()
    through_proxy.acquire("key", FIRST, expire=10)
    to = commit if more else RELEASE[proxy.url.partition(":")[0]]
    proxy.swallow_replies(1, to=to)

    assert through_proxy.release("key", FIRST.token, **more)
    assert backend.get("key") is None
    assert not through_proxy.release("key", FIRST.token, **more)


def test_a_transaction_that_is_interrupted_leaves_nothing_behind(
    proxy, backend, commit
):
    through_proxy = SQLBackend(proxy.url)
    through_proxy.get("key")
    proxy.swallow_replies(1, to=commit)

    taken = through_proxy.acquire("key", FIRST, expire=10, remember_for=10)

    assert isinstance(taken, Acquired)
    assert backend.release("key", FIRST.token)
    assert backend.get("key") is None


@pytest.mark.parametrize("kind", SERVERS)
def test_locks_survive_a_restart_of_the_server(tmp_path, kind):
    with SERVERS[kind](tmp_path) as server:
        backend: Any = SQLBackend(server.url)
        taken = backend.acquire("key", FIRST, expire=100)
        server.restart()

        held = backend.acquire("key", SECOND, expire=100)
        assert isinstance(held, Held)
        assert held.record.fence == taken.fence
        assert backend.renew([Renewal("key", FIRST, taken.fence, 10)]) == [Renewed.HELD]
        assert backend.release("key", FIRST.token)
        assert backend.acquire("key", SECOND, expire=10).fence > taken.fence


def test_a_fork_has_connections_of_its_own(backend):
    backend.acquire("key", FIRST, expire=LEASE)

    child = in_fork(lambda: type(backend.acquire("key", SECOND, expire=LEASE)))

    assert child is Held
    assert backend.release("key", FIRST.token)


def test_a_fork_leaves_the_connections_of_its_parent_alone(backend, url):
    opened: Any = open_backend(url, timeout=PATIENCE)
    opened.get("key")
    connections: list[Any] = []
    sa.event.listen(
        opened._database._engine, "connect", lambda *_: connections.append(1)
    )

    in_fork(lambda: None)

    assert opened.get("key") is None
    assert not connections


class TooLate(Exception):
    """Like Celery's soft time limit, which is raised anywhere."""


def too_late() -> None:
    raise TooLate


def test_a_time_limit_breaks_a_statement_off_and_harms_no_other(proxy, backend):
    through_proxy: Any = SQLBackend(proxy.url)
    through_proxy.get("key")
    proxy.hang()

    with pytest.raises(TooLate), Alarm(0.2, too_late):
        through_proxy.release("key", FIRST.token)

    proxy.restore()
    assert isinstance(through_proxy.acquire("key", FIRST, expire=10), Acquired)
    assert through_proxy.release("key", FIRST.token)


def test_a_freed_lock_stays_free_if_the_clock_is_set_back(backend, engine):
    backend.acquire("key", FIRST, expire=100)
    backend.release("key", FIRST.token)

    with engine.connect() as connection:
        ends = connection.scalar(sa.text("SELECT ends FROM unique_task_locks"))
    assert ends == 0


def freeze_in_the_middle(url: str) -> None:
    """Lock the row of the lock "key", and stop."""
    backend: Any = SQLBackend(url, timeout=3)
    backend._changes._write = lambda *_: os.kill(os.getpid(), signal.SIGSTOP)
    backend.acquire("key", SECOND, expire=10, remember_for=10)


@pytest.fixture
def frozen(url: str, backend: SQLBackend) -> Iterator[None]:
    """A process that has locked the row of the lock "key", and stopped."""
    process = start_fork(lambda: freeze_in_the_middle(url))
    child = psutil.Process(process.pid)
    try:
        wait_until(lambda: child.status() == psutil.STATUS_STOPPED)
        yield
    finally:
        process.kill()
        process.join(30)


@pytest.mark.usefixtures("frozen")
def test_a_client_that_stalls_in_a_transaction_keeps_others_out_for_a_short_time(url):
    backend: Any = SQLBackend(url, timeout=2)

    def taken() -> Any:
        with in_time(2), suppress(LockStoreError):
            return backend.acquire("key", FIRST, expire=10)

    assert isinstance(wait_until(taken, timeout=20), Acquired)


@IN_CALLBACKS
def test_a_time_limit_may_break_work_off_at_any_moment(tmp_path):
    database = SQLBackend(f"sqlite:///{tmp_path}/locks.db")._database
    for number in range(3000):
        moment = 1e-6 + number % 100 * 1e-6
        with suppress(TooLate), Alarm(moment, too_late) as alarm:
            while not alarm.has_rung:
                database.run(lambda _: None)

    assert seconds_left() == math.inf
    assert in_fork(lambda: database.run(lambda _: "done")) == "done"
