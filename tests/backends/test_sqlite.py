"""What is special about a file of SQLite: the processes that share it."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, SECOND
from tests.forking import Fork, fork, in_fork
from unique_task.backends import open_backend
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Held


@pytest.fixture
def parent(sqlite_url: str) -> Any:
    """A store that was used before its process forks, as a worker's parent does."""
    parent = open_backend(sqlite_url, timeout=2)
    parent.check()
    return parent


def test_what_a_fork_takes_is_taken_though_its_parent_is_gone(parent, sqlite_url):
    """Whoever closes the file and thinks to be the last one removes its journal."""
    opened, alone = fork.Event(), fork.Event()

    def child() -> None:
        store = open_backend(sqlite_url, timeout=2)
        store.check()
        opened.set()
        assert alone.wait(20)
        store.acquire("key", FIRST, expire=100)

    running = Fork(child)
    assert opened.wait(20)
    parent._database._engine.dispose()  # as its end does
    in_fork(lambda: SQLBackend(sqlite_url).check())
    alone.set()
    running.result()

    assert isinstance(SQLBackend(sqlite_url).acquire("key", SECOND, 10), Held)


def test_a_store_is_of_use_after_a_fork_too(parent):
    parent.acquire("key", FIRST, expire=100)

    in_fork(lambda: None)

    assert parent.release("key", FIRST.token)
