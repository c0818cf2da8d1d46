"""Which locks the command releases."""

from typing import Any

import pytest

from tests.published_calls import key_of, store_of, task_of
from unique_task import MemoryBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.cli.releasing import release_locks

pytest_plugins = "tests.inprocess_fixtures"


class Shared(MemoryBackend):
    """One that is seen by other processes, as far as the commands know."""

    shared = True


def run_as(task: Any, owner: str) -> None:
    record = Record(Token.of_attempt(owner), task.name)
    store_of(task.app).acquire(key_of(task), record, 60, limit=3)


def owners(task: Any) -> list[str]:
    held = store_of(task.app).holders(key_of(task))
    return sorted(one.record.owner for one in held)


@pytest.fixture
def task(app):
    app.conf.unique_backend = Shared()
    task = task_of(app, unique(limit=3))
    for owner in ("a", "b", "c"):
        run_as(task, owner)
    return task


def test_by_the_id_of_a_task_others_that_hold_its_key_keep_their_locks(app, task):
    release_locks(app, "b", None, None, 0, False, True, running=True)

    assert owners(task) == ["a", "c"]


@pytest.mark.parametrize("by_key", [True, False])
def test_by_a_key_or_a_call_all_that_hold_it_lose_their_locks(app, task, by_key):
    wanted: tuple[str, Any] = (key_of(task), None) if by_key else ("work", [])

    release_locks(app, *wanted, None, 0, False, True, running=True)

    assert owners(task) == []
