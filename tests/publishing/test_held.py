"""What becomes of a call that is published while an operator holds its key."""

from typing import Any

import pytest
from celery import states, uuid
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.operating.test_hold import CALLED, hold_of
from tests.published_calls import task_of
from unique_task import DuplicateTaskError, unique
from unique_task.operating import Wanted, locks, release

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def held(app):
    """Make a task with this policy, whose key Ann holds; return the hold, too."""

    def held(policy, **options):
        options = {"lock": "until_executed", "on_duplicate": policy, **options}
        task = task_of(app, unique(**options))
        return task, hold_of(task)

    return held


@pytest.mark.parametrize("policy", ["ignore", "skip", "replace"])
def test_the_result_of_a_call_that_is_not_sent_is_revoked_at_once(held, sent, policy):
    """No run would ever end it."""
    work, hold = held(policy)

    result = work.delay()

    assert (result.duplicate, result.id, sent) == (True, hold.owner, [])
    assert result.state == states.REVOKED
    with pytest.raises(TaskRevokedError, match=CALLED):
        value_of(result)


def test_who_has_only_its_id_hears_of_the_hold(held):
    work, _ = held("ignore")

    result = work.AsyncResult(work.delay().id)

    with pytest.raises(TaskRevokedError, match=CALLED):
        value_of(result)


def test_an_id_of_the_caller_hears_of_the_hold(held):
    work, _ = held("ignore")
    own = uuid()

    work.apply_async(task_id=own)

    with pytest.raises(TaskRevokedError, match=CALLED):
        value_of(work.AsyncResult(own))


@pytest.mark.parametrize("policy", ["retry", "cached"])
def test_what_waits_is_sent(held, sent, policy):
    """A hold has no value that a cached call could be given."""
    work, _ = held(policy)

    result = work.delay()

    assert not result.duplicate
    assert sent.ids == [result.id]
    assert "token" not in sent.last.lock


def test_the_error_names_who_holds_the_key(held, sent):
    work, hold = held("raise")

    with pytest.raises(DuplicateTaskError, match=CALLED) as caught:
        work.delay()

    error: Any = caught.value
    assert (error.owner, error.hold, sent) == (hold.owner, CALLED, [])


def test_a_callable_sees_the_hold(held):
    met: list[Any] = []
    work, hold = held(met.append)

    work.delay()

    [duplicate] = met
    record = duplicate.holders[0].record
    assert (duplicate.owner, duplicate.hold) == (hold.owner, CALLED)
    assert (record.by, record.reason) == ("ann", "migration")


def test_the_log_names_who_holds_the_key(held, caplog):
    work, _ = held("ignore")
    own = uuid()

    work.apply_async(task_id=own)

    assert f"work[{own}] meets a lock that is {CALLED}" in caplog.messages


def test_a_member_of_a_canvas_is_sent(held, sent):
    work, _ = held("ignore")

    work.apply_async(link=work.si(2))

    assert len(sent) == 1


def test_under_the_pending_lock_messages_are_still_published(held, sent):
    """With until_and_while_executing, the hold pauses the body."""
    work, _ = held("ignore", lock="until_and_while_executing")

    first, second = work.delay(), work.delay()

    assert sent.ids == [first.id]
    assert second.id == first.id


def test_after_the_release_of_a_hold_a_call_is_sent(held, sent):
    work, _ = held("ignore")
    found: Any = locks(work.app, Wanted(states=("held",)), timeout=0)
    assert [one.outcome for one in release(work.app, [next(found)], force=True)] == [
        "released"
    ]

    assert not work.delay().duplicate
