"""Processes that share a file of SQLite."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST, SECOND, record_of
from tests.forking import Fork, fork, in_fork
from unique_task import LockStoreError
from unique_task.backends.registry import open_backend
from unique_task.backends.sql import SQLBackend, direct
from unique_task.backends.steps import Acquired, Held


@pytest.fixture
def parent(sqlite_url: str) -> Any:
    """A store that was used before its process forks, as a worker's parent does."""
    parent = open_backend(sqlite_url, timeout=2)
    parent.check()
    return parent


def test_a_lock_is_taken_and_released_by_one_statement_each(parent):
    statements: list[str] = []
    parent._database.run(
        lambda one: one.connection.driver_connection.set_trace_callback(
            lambda text: statements.append(text.partition(" ")[0])
        )
    )

    parent.acquire("key", FIRST, expire=10)
    parent.release("key", FIRST.token)
    parent.reserve("key", FIRST, expire=10, replaceable=False)

    assert statements == ["INSERT", "UPDATE", "INSERT"]


def test_what_a_fork_takes_is_taken_though_its_parent_is_gone(parent, sqlite_url):
    """A process that closes the file as the last one removes its journal."""
    opened, alone = fork.Event(), fork.Event()

    def child() -> None:
        store = open_backend(sqlite_url, timeout=2)
        store.check()
        opened.set()
        assert alone.wait(20)
        store.acquire("key", FIRST, expire=100)

    running = Fork(child)
    assert opened.wait(20)
    parent._database._connections.close()  # as its end does
    in_fork(lambda: SQLBackend(sqlite_url).check())
    alone.set()
    running.result()

    assert isinstance(SQLBackend(sqlite_url).acquire("key", SECOND, 10), Held)


def test_no_process_is_forked_during_an_operation(parent):
    """The fork would take that operation's file locks for its own, and lock nothing."""
    begun, ended = Event(), Event()

    def slow(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM unique_task_locks").all()
        begun.set()
        assert not ended.wait(0.5)
        ended.set()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(parent._database.run, slow)
        assert begun.wait(20)
        assert in_fork(ended.is_set)

    assert isinstance(parent.acquire("key", FIRST, expire=10), Acquired)


def test_a_fork_during_an_operation_that_does_not_end_locks_nothing(sqlite_url):
    """The fork gets an error, and no task runs unguarded."""
    store: Any = SQLBackend(sqlite_url, timeout=1)
    store.check()

    def tried() -> str:
        with pytest.raises(LockStoreError, match="start it anew") as error:
            store.get("key")
        return str(error.value)

    errors: list[str] = []
    store._database.run(lambda _: errors.append(in_fork(tried)))

    assert errors
    assert store.get("key") is None


def test_a_store_works_after_a_fork_too(parent):
    parent.acquire("key", FIRST, expire=100)

    in_fork(lambda: None)

    assert parent.release("key", FIRST.token)


@pytest.mark.parametrize("is_created", [True, False])
def test_a_process_that_finds_the_file_locked_waits_for_it(sqlite_url, is_created):
    store = SQLBackend(sqlite_url, timeout=20)
    if is_created:
        store.check()
    other = sa.create_engine(sqlite_url, isolation_level="AUTOCOMMIT")
    with other.connect() as connection, ThreadPoolExecutor(1) as threads:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        taken = threads.submit(store.acquire, "key", FIRST, 10)
        with pytest.raises(TimeoutError):
            taken.result(0.2)  # longer than SQLite waits by itself
        connection.exec_driver_sql("COMMIT")

        assert isinstance(taken.result(20), Acquired)
    other.dispose()


def test_a_statement_that_is_broken_off_leaves_the_file_unlocked(
    parent, sqlite_url, monkeypatch
):
    """Also while the error, which knows the statement, is handled."""

    def too_late(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt) as error:
        patched.setattr(direct, "_first_row", too_late)
        parent.acquire("key", FIRST, expire=10)

    assert isinstance(SQLBackend(sqlite_url).acquire("other", SECOND, 10), Acquired)
    assert error.tb


def test_sixteen_processes_share_a_file(parent, sqlite_url):
    def child() -> int:
        store = open_backend(sqlite_url, timeout=20)
        records = [record_of(f"task {number}") for number in range(20)]
        for record in records:
            store.acquire(record.token, record, 100)
        return sum(store.release(one.token, one.token) for one in records)

    children = [Fork(child) for _ in range(16)]

    assert [one.result(100) for one in children] == [20] * 16


@pytest.mark.parametrize("leave", [os.unlink, lambda path: os.rename(path, path + "-")])
def test_a_file_that_was_moved_or_deleted_is_left(tmp_path, leave):
    url = f"sqlite:///{tmp_path}/locks.db"
    worker: Any = SQLBackend(url)
    worker.acquire("before", FIRST, expire=100)
    for path in tmp_path.iterdir():
        leave(str(path))

    assert isinstance(SQLBackend(url).acquire("key", SECOND, expire=100), Acquired)
    assert isinstance(worker.acquire("key", FIRST, expire=100), Held)
