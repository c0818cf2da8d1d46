"""Release frees what is dead, pending or called; it never frees a successor."""

from typing import Any

import pytest

from tests.forking import in_fork
from tests.operating.test_explain import hold
from tests.published_calls import holder, key_of, store_of, task_of
from unique_task import unique
from unique_task.backends.record import Record, Token
from unique_task.leases.process import this_process
from unique_task.operating import Lock, Wanted, locks, release

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.skipif(
    not this_process(), reason="no process can be seen here"
)


def seen(app: Any, **wanted: Any) -> list[Lock]:
    """The locks of the app, without what memory cannot show."""
    found = locks(app, Wanted(**wanted), timeout=0)
    return [lock for lock in found if isinstance(lock, Lock)]


def outcomes(app: Any, found: list[Lock], **options: Any) -> list[str]:
    return [one.outcome for one in release(app, found, **options)]


@pytest.fixture
def dead():
    return in_fork(this_process)


def test_nothing_is_released_without_force(app, dead):
    task = task_of(app)
    hold(task, process=dead)

    assert outcomes(app, seen(app)) == ["would be released"]
    assert holder(task)


def test_a_dead_holder_is_released(app, dead):
    task = task_of(app)
    hold(task, process=dead)

    assert outcomes(app, seen(app), force=True) == ["released"]
    assert holder(task) is None


def test_the_lock_of_a_successor_is_never_freed(app, dead):
    """It gets the lock after it was seen with a dead holder."""
    task = task_of(app)
    token = hold(task, process=dead)
    found = seen(app)
    store_of(app).release(key_of(task), token)
    hold(task, owner="successor", process=dead)

    assert outcomes(app, found, force=True) == ["gone"]
    assert holder(task).owner == "successor"


def test_the_attempt_that_took_a_pending_lock_over_keeps_it(app):
    task = task_of(app)
    token = hold(task, owner="message", state="pending")
    found = seen(app)
    record = Record(Token.of_attempt("message"), task.name)
    store_of(app).acquire(key_of(task), record, 60, take_over_from=[token])

    assert outcomes(app, found, force=True) == ["gone"]
    assert holder(task).token == record.token


def test_only_the_dead_one_of_several_holders_is_released(app, dead):
    task = task_of(app, unique(limit=3))
    for owner, process in (("a", dead), ("b", this_process()), ("c", dead)):
        record = Record(Token.of_attempt(owner), task.name, process=process)
        store_of(app).acquire(key_of(task), record, 60, limit=3)

    found = list(release(app, seen(app, verdicts=("dead",)), force=True))

    assert sorted(one.holder.owner for one in found if one.holder) == ["a", "c"]
    assert [held.record.owner for held in store_of(app).holders(key_of(task))] == ["b"]


def test_a_run_that_lives_is_refused_with_what_to_do(app):
    task = task_of(app)
    hold(task, owner="living", process=this_process())

    [refused] = release(app, seen(app), force=True)

    assert refused.outcome == "refused"
    assert "control terminate SIGTERM living" in refused.reason
    assert holder(task).owner == "living"


def test_a_run_of_which_nobody_knows_is_refused(app):
    task = task_of(app)
    hold(task, process="elsewhere/1/2")

    [refused] = release(app, seen(app), force=True)

    assert refused.outcome == "refused"
    assert "nobody knows whether it lives" in refused.reason
    assert holder(task)


def test_a_run_that_lives_is_released_if_asked_for(app):
    task = task_of(app)
    hold(task, process=this_process())

    assert outcomes(app, seen(app), force=True, running=True) == ["released"]
    assert holder(task) is None


@pytest.mark.parametrize(
    "state, process, outcome",
    [
        ("pending", "", "released"),
        ("called", "elsewhere/1/2", "released"),
        ("called", "own", "refused"),
    ],
)
def test_messages_and_calls_that_may_be_lost_are_released(app, state, process, outcome):
    task = task_of(app)
    process = this_process() if process == "own" else process
    hold(task, state=state, process=process)

    assert outcomes(app, seen(app), force=True) == [outcome]
    assert bool(holder(task)) == (outcome == "refused")


def test_a_window_is_not_dead_when_its_task_has_ended(app):
    task = task_of(app, unique(lock="until_expired"))
    hold(task)

    [refused] = release(app, seen(app), force=True)

    assert refused.outcome == "refused"
    assert refused.reason.startswith("it stands until its time is over, in ")


def test_only_the_locks_of_the_own_prefix_are_seen_and_released(app, dead):
    task = task_of(app)
    other = hold(task, process=dead)
    app.conf.unique_key_prefix = "shop:"
    own = hold(task, process=dead, name="shop:" + key_of(task))

    found = seen(app)

    assert [lock.key for lock in found] == [key_of(task)]
    assert [one.token for lock in found for one in lock.holders] == [own]
    assert outcomes(app, found, force=True) == ["released"]
    assert holder(task).token == other


def test_a_run_after_its_first_failure_holds_another_lock(app, dead):
    """What was seen of the first try does not free the second."""
    task = task_of(app)
    first = hold(task, owner="same", process=dead)
    found = seen(app)
    store_of(app).release(key_of(task), first)
    second = hold(task, owner="same", process=dead)

    assert outcomes(app, found, force=True) == ["gone"]
    assert holder(task).token == second
