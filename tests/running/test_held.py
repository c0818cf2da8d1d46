"""What becomes of a call that comes to its worker while an operator holds its key."""

from typing import Any

import pytest
from celery import states
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.operating.test_hold import CALLED, hold_of
from tests.waiting import wait_until
from unique_task import DuplicateTaskError, MemoryBackend, retry, skip, unique
from unique_task.operating import Lock, Wanted, locks, release

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def held(worker_app):
    """Make a task with this policy, whose key Ann holds."""
    worker_app.conf.unique_backend = MemoryBackend()

    def held(policy, seconds=60, **options):
        @worker_app.task(name="work")
        @unique(on_duplicate=policy, **options)
        def work(item=1):
            return item

        hold_of(work, seconds=seconds)
        return work

    return held


def end_hold(app: Any) -> None:
    found = locks(app, Wanted(states=("held",)), timeout=0)
    ended = release(app, (one for one in found if isinstance(one, Lock)), force=True)
    assert [one.outcome for one in ended] == ["released"]


@pytest.mark.parametrize("lock", ["while_executing", "until_and_while_executing"])
def test_an_ignored_call_is_revoked_and_names_who_holds_the_key(held, lock):
    result = held({"run": "ignore"}, lock=lock).delay()

    with pytest.raises(TaskRevokedError, match=CALLED):
        value_of(result)
    assert result.state == states.REVOKED


def test_a_skipped_call_succeeds(held):
    assert value_of(held(skip("later")).delay()) == "later"


def test_a_failed_call_names_who_holds_the_key(held):
    with pytest.raises(DuplicateTaskError, match=CALLED) as caught:
        value_of(held("raise").delay())

    assert caught.value.hold == CALLED


@pytest.mark.parametrize("policy", [retry(countdown=0.1, maximum=0.1), "cached"])
def test_what_waits_runs_after_the_release_of_the_hold(held, caplog, policy):
    work = held(policy)
    result = work.delay()
    wait_until(
        lambda: any(CALLED in line and "back in" in line for line in caplog.messages)
    )
    assert not result.ready()

    end_hold(work.app)

    assert value_of(result) == 1


def test_what_waits_comes_back_when_the_time_of_the_hold_is_over(held, caplog):
    work = held(retry(countdown=600, maximum=600, jitter=False), seconds=1.5)

    assert value_of(work.delay()) == 1

    [pause] = [line for line in caplog.messages if "back in" in line]
    assert 0 < float(pause.split()[-2]) <= 1.5


def test_a_hold_of_all_places_keeps_every_call_from_its_body(held):
    work = held("raise", limit=3)

    with pytest.raises(DuplicateTaskError, match=CALLED):
        value_of(work.delay())


@pytest.mark.parametrize("policy, state", [("ignore", "IGNORED"), ("raise", "FAILURE")])
def test_an_eager_call_names_who_holds_the_key(held, policy, state):
    result = held(policy).apply()

    assert (result.state, CALLED in str(result.result)) == (state, True)


def test_a_direct_call_names_who_holds_the_key(held):
    with pytest.raises(DuplicateTaskError, match=CALLED):
        held("raise")()
