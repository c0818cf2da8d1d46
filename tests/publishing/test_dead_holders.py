"""A call is published whose key is held by a process that is gone."""

from typing import Any

import pytest

from tests.forking import in_fork
from tests.inprocess import value_of
from tests.published_calls import holder, key_of, store_of, task_of
from tests.waiting import wait_until
from unique_task import DuplicateTaskError, unique
from unique_task.backends.record import Record, Token
from unique_task.leases.process import this_process

pytest_plugins = "tests.inprocess_fixtures"

POLICIES = ["ignore", "skip", "cached", "retry", "raise", "replace"]


@pytest.fixture(scope="module")
def gone() -> str:
    """A process of this machine that has ended."""
    process = in_fork(this_process)
    if not process:
        pytest.skip("nothing tells whether a process is gone")
    return process


@pytest.fixture
def hold(app):
    """Call it to have a call's lock held by a process; returns the holder's id."""

    def hold(task: Any, process: str, final: bool = True) -> str:
        token = Token.of_attempt("holder")
        record = Record(token, task.name, process=process, final=final)
        store_of(app).acquire(key_of(task), record, expire=600)
        return "holder"

    return hold


@pytest.mark.parametrize("policy", POLICIES)
def test_a_call_is_sent_if_the_holder_has_died_and_does_not_come_again(
    app, sent, gone, hold, policy
):
    task = task_of(app, unique(lock="until_executed", on_duplicate=policy))
    hold(task, gone)

    result = task.delay()

    assert not result.duplicate
    assert sent.last.id == result.id
    assert sent.last.headers["eta"] is None
    assert holder(task).owner == result.id


def test_a_member_of_a_canvas_takes_the_place_of_a_dead_holder(app, sent, gone, hold):
    task = task_of(app)
    hold(task, gone)

    result = task.apply_async(reply_to="canvas")

    assert holder(task).owner == result.id
    assert sent.last.lock["token"]


def test_a_dead_holder_whose_message_comes_again_is_waited_for(app, sent, gone, hold):
    task = task_of(app)
    hold(task, gone, final=False)

    assert task.delay().id == "holder"
    assert not sent


def test_a_living_holder_is_not_robbed(app, sent, hold):
    task = task_of(app, unique(lock="until_executed", on_duplicate="raise"))
    hold(task, this_process())

    with pytest.raises(DuplicateTaskError):
        task.delay()

    assert not sent


@pytest.mark.parametrize(
    "options, final",
    [
        ({}, True),
        ({"countdown": 0.01}, False),
    ],
    ids=["at once", "eta"],
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_a_record_says_whether_its_message_comes_again(
    worker_app, request, gate, late, options, final
):
    @worker_app.task(name=request.node.name, acks_late=late)
    @unique(lock="until_executed")
    def work():
        gate.hold()

    result = work.apply_async(**options)
    gate.wait_for_arrival()

    assert holder(work).final is (final and not late)
    gate.open()
    value_of(result)


def test_a_direct_call_ends_with_its_process(app):
    seen = []

    @app.task
    @unique(lock="until_executed")
    def work():
        seen.append(holder(work).final)

    work()

    assert seen == [True]
    wait_until(lambda: holder(work) is None)
