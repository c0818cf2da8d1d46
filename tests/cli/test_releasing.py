"""Which locks the command releases."""

from typing import Any
from uuid import uuid4

import pytest

from tests.published_calls import key_of, store_of, task_of
from unique_task import MemoryBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.cli.output import Usage
from unique_task.cli.releasing import release_locks
from unique_task.operating import show

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


def test_an_id_that_looks_like_a_key_is_found(app, task):
    task_id = uuid4().hex
    run_as(other := task_of(app, unique(key="other"), "other"), task_id)

    [detail] = [one for one in show(app, task_id, timeout=0) if one.locks]
    release_locks(app, task_id, None, None, 0, False, True, running=True)

    assert detail.key == key_of(other)
    assert (owners(other), owners(task)) == ([], ["a", "b", "c"])


def test_a_key_that_nobody_holds_is_free(app, task):
    [detail] = show(app, "0" * 32, timeout=0)

    assert (detail.key, detail.locks) == ("0" * 32, ())
    assert [one.what for one in detail.missing] == ["workers"]


@pytest.mark.parametrize("by_key", [True, False])
def test_by_a_key_or_a_call_all_that_hold_it_lose_their_locks(app, task, by_key):
    wanted: tuple[str, Any] = (key_of(task), None) if by_key else ("work", [])

    release_locks(app, *wanted, None, 0, False, True, running=True)

    assert owners(task) == []


def test_without_force_it_only_tells_what_it_would_release(app, task, capsys):
    release_locks(app, None, None, None, 0, False, False, running=True)

    assert owners(task) == ["a", "b", "c"]
    lines = capsys.readouterr().out.splitlines()
    assert sum("would be released" in line for line in lines) == 3
    assert lines[-1] == "nothing was released: to release, add --force"


def test_it_asks_which_locks(app, task):
    with pytest.raises(Usage, match="--running and --held"):
        release_locks(app, None, None, None, 0, False, True)

    assert owners(task) == ["a", "b", "c"]


def test_where_there_is_none_it_says_so(app, task, capsys):
    release_locks(app, "0" * 32, None, None, 0, False, True)

    assert capsys.readouterr().out.splitlines()[-1] == "no such lock is held"
