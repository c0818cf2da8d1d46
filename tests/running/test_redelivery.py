"""Whether the broker delivers a message again, for each end of an attempt."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery import states
from celery.exceptions import Reject

from unique_task.running.redelivery import (
    Redelivery,
    redelivery_after,
    redelivery_after_loss,
)

NEVER, MAYBE, SURELY = Redelivery.NEVER, Redelivery.MAYBE, Redelivery.SURELY
REQUEUED, REJECTED = Reject("later", requeue=True), Reject("never", requeue=False)


def task_with(acks_late: bool, acks_on_failure: bool = True) -> Any:
    return SimpleNamespace(
        acks_late=acks_late,
        acks_on_failure=acks_on_failure,
        acks_on_failure_or_timeout=acks_on_failure,
    )


def lost_run(acks_late: bool, went_back: bool = False, cancelled: bool = False) -> Any:
    return SimpleNamespace(
        task=task_with(acks_late), went_back=went_back, _already_cancelled=cancelled
    )


@pytest.mark.parametrize(
    ("state", "retval", "early", "late"),
    [
        (states.SUCCESS, 1, NEVER, NEVER),
        (states.RETRY, None, NEVER, NEVER),
        (states.IGNORED, None, NEVER, NEVER),
        (states.FAILURE, ValueError(), NEVER, NEVER),
        (states.REJECTED, REQUEUED, NEVER, SURELY),
        (states.REJECTED, REJECTED, NEVER, MAYBE),
        (None, None, MAYBE, SURELY),
    ],
)
def test_the_outcome_decides_whether_a_message_comes_again(state, retval, early, late):
    assert redelivery_after(task_with(acks_late=False), state, retval) is early
    assert redelivery_after(task_with(acks_late=True), state, retval) is late


def test_a_failure_that_is_not_acknowledged_may_come_from_a_queue_of_dead_letters():
    task = task_with(acks_late=True, acks_on_failure=False)

    assert redelivery_after(task, states.FAILURE, ValueError()) is MAYBE


def test_the_older_option_counts_where_the_new_one_is_not_set():
    task = task_with(acks_late=True, acks_on_failure=False)
    task.acks_on_failure = None
    task.acks_on_failure_or_timeout = True

    assert redelivery_after(task, states.FAILURE, ValueError()) is NEVER


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lost_run(acks_late=True), MAYBE),
        (lost_run(acks_late=False, went_back=True), SURELY),
        (lost_run(acks_late=True, cancelled=True), SURELY),
        (lost_run(acks_late=False, cancelled=True), MAYBE),
    ],
    ids=["lost", "went back", "cancelled late", "cancelled early"],
)
def test_a_lost_run_comes_again_if_its_message_went_back(run, expected):
    assert redelivery_after_loss(run) is expected
