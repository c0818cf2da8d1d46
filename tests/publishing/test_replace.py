"""A later call takes the place of one that waits: ``on_duplicate="replace"``."""

from datetime import timedelta

import pytest

from tests.clock import Clock
from tests.inprocess import value_of
from tests.published_calls import (
    CutOff,
    holder,
    is_duplicate,
    refuse,
    remaining,
    task_of,
    wait_of,
)
from unique_task import MemoryBackend, replace, unique

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def replacing(app):
    """Make a task with this policy."""

    def replacing(policy="replace", **options):
        options = {"lock": "until_executing", "on_duplicate": policy, **options}
        return task_of(app, unique(**options))

    return replacing


@pytest.mark.parametrize("lock", ["until_executing", "until_executed", "until_expired"])
def test_the_later_call_has_the_lock(replacing, sent, lock):
    work = replacing(lock=lock)
    first, second = work.delay(), work.delay()

    assert (first.duplicate, second.duplicate) == (False, False)
    assert sent.ids == [first.id, second.id]
    assert holder(work).owner == second.id
    fences = [message.lock["generation"] for message in sent]
    assert fences[0] < fences[1] == holder(work).fence


def test_where_two_locks_are_held_the_one_that_waits_is_replaced(replacing, sent):
    work = replacing(lock="until_and_while_executing")
    work.delay()

    second = work.delay()

    assert holder(work, pending=".pending").owner == second.id
    assert holder(work) is None


def test_what_runs_already_is_not_replaced(replacing, gate, app):
    @app.task
    @unique(lock="until_executed", on_duplicate="replace")
    def work():
        gate.hold()

    with gate.holding(work):
        assert work.delay().duplicate


def test_a_message_without_the_policy_is_not_replaced(replacing, app, sent):
    first = replacing("ignore").delay()
    again = task_of(app, unique(lock="until_executing"), name="other", shared=False)

    assert "generation" not in sent.last.lock
    assert is_duplicate(
        app.tasks["work"].apply_async(unique={"on_duplicate": "replace"}), of=first
    )
    assert not again.delay().duplicate


def test_a_call_may_replace_what_the_task_itself_would_not(replacing, sent):
    work = replacing("ignore")
    first = work.apply_async(unique={"on_duplicate": "replace"})

    second = work.apply_async(unique={"on_duplicate": "replace"})

    assert sent.ids == [first.id, second.id]
    assert is_duplicate(work.delay(), of=second)


@pytest.mark.parametrize("error", [OSError, CutOff])
def test_a_publish_that_fails_gives_the_old_one_its_place_back(
    replacing, sent, monkeypatch, error
):
    work = replacing()
    first = work.apply_async(countdown=100)
    before, stands = holder(work), remaining(work)

    with monkeypatch.context() as patch:
        patch.setattr(work.app.amqp, "send_task_message", refuse(error))
        with pytest.raises(error):
            work.apply_async(countdown=5000)

    assert sent.ids == [first.id]
    assert holder(work) == before
    assert remaining(work) == pytest.approx(stands, abs=5)


# Debounce


def test_a_countdown_is_for_a_call_that_has_none(replacing, sent, app):
    work = replacing(replace(countdown=20))

    work.delay()
    assert 10 < wait_of(sent.last, app) <= 20
    work.apply_async(countdown=5)
    assert 0 < wait_of(sent.last, app) <= 5
    work.apply_async(countdown=50)
    assert 40 < wait_of(sent.last, app) <= 50


def test_the_lock_stands_as_long_as_the_countdown_and_expire(replacing):
    work = replacing(replace(countdown=20), expire=100)

    work.delay()

    assert 110 < remaining(work) <= 120


@pytest.mark.parametrize("policy", ["replace", replace(countdown=0)], ids=str)
def test_without_a_countdown_it_is_sent_to_run_at_once(replacing, sent, policy):
    replacing(policy).delay()

    assert sent.last.headers["eta"] is None


class Slow(MemoryBackend):
    """Its fences tell what its clock does, as those of a store on a server do."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(timer=clock)
        self.clock = clock

    def _next_fence(self) -> int:
        self._fence = max(int(self.clock() * 1e6), self._fence + 1)
        return self._fence


@pytest.fixture
def clock(app):
    clock = Clock()
    app.conf.unique_backend = Slow(clock)
    return clock


def test_however_often_a_call_is_put_off_it_waits_no_longer_than_that(
    replacing, clock, sent, app
):
    work = replacing(replace(countdown=20, max_wait=50))
    waits = []
    for _ in range(4):
        work.delay()
        waits.append(wait_of(sent.last, app))
        clock.now += 15

    assert waits == pytest.approx([20, 20, 20, 5], abs=5)


def test_what_may_not_be_put_off_any_more_runs_at_once(replacing, clock, sent, app):
    work = replacing(replace(countdown=20, max_wait=50))
    work.delay()
    clock.now += 50

    work.apply_async(eta=app.now() + timedelta(seconds=30))

    assert len(sent) == 2
    assert sent.last.headers["eta"] is None


def test_after_that_time_the_next_is_a_duplicate(replacing, clock, sent):
    work = replacing(replace(countdown=20, max_wait=50))
    first = work.delay()
    clock.now += 51

    assert is_duplicate(work.delay(), of=first)
    assert len(sent) == 1


def test_without_a_limit_a_call_is_put_off_for_ever(replacing, clock, sent):
    work = replacing(replace(countdown=20))
    for _ in range(20):
        assert not work.delay().duplicate
        clock.now += 3000

    assert len(sent) == 20


def test_the_limit_holds_for_a_longer_countdown_of_the_caller_too(
    replacing, clock, sent, app
):
    replacing(replace(countdown=20, max_wait=50)).apply_async(countdown=500)

    assert 40 < wait_of(sent.last, app) <= 50


def test_it_is_remembered_who_was_replaced_while_messages_are_delivered_again(
    replacing, app
):
    seen = []

    class Seeing(MemoryBackend):
        def _reserve(self, wanted):
            seen.append((wanted.expire, wanted.remember_for))
            return super()._reserve(wanted)

    app.conf.update(unique_backend=Seeing(), unique_redelivery=500)
    replacing(expire=100).apply_async(countdown=30)

    assert seen == [(130, 500)]


def test_a_frozen_call_that_is_sent_once_more_ends_as_its_last_message_does(worker_app):
    worker_app.conf.unique_backend = MemoryBackend()
    work = task_of(worker_app, unique(lock="until_executing", on_duplicate="replace"))
    signature = work.si(1)
    signature.freeze()

    signature.apply_async(countdown=0.3)
    last = signature.apply_async(countdown=0.6)

    assert value_of(last) is None
