"""A body that waits for the result of its own key, which is an error."""

import pickle
from typing import Any

import pytest

from tests.inprocess import value_of
from unique_task import ConfigurationError, retry, unique
from unique_task.messages.results import HolderResult, LaterResult

pytest_plugins = "tests.inprocess_fixtures"

SOON = retry(countdown=0.05, maximum=0.1)

WAITS = {
    "the holder's own result": {"lock": "until_executed"},
    "retry": {"on_duplicate": SOON},
    "cached": {"on_duplicate": "cached"},
    "cached, taken at publish": {"lock": "until_executed", "on_duplicate": "cached"},
    "retry, taken at publish": {"lock": "until_executed", "on_duplicate": SOON},
    "the second lock": {"lock": "until_and_while_executing"},
}


@pytest.mark.parametrize("options", WAITS.values(), ids=WAITS)
def test_a_body_that_waits_for_its_own_key_gets_an_error(worker_app, options):
    sent: list[Any] = []

    @worker_app.task
    @unique(key=(), namespace=f"own {options}", **options)
    def walk(outermost=True):
        if outermost:
            sent.append(walk.delay(False))
            with pytest.raises(ConfigurationError, match="get.. would wait for ever"):
                sent[0].get(timeout=5, disable_sync_subtasks=False)
        return "told"

    assert value_of(walk.delay()) == "told"
    # Outside, when the body has ended, so that no later test of this worker meets it.
    assert value_of(sent[0]) == "told"


@pytest.mark.parametrize(
    "options, call",
    [
        ({}, {"unique": "successor"}),
        ({"lock": "until_executed"}, {"unique": "successor"}),
        ({"lock": "until_and_while_executing"}, {}),
    ],
    ids=["successor", "successor under until_executed", "the next in the queue"],
)
def test_a_body_does_not_wait_for_a_call_that_waits_for_that_body_either(
    worker_app, options, call
):
    sent: list[Any] = []

    @worker_app.task
    @unique(key=(), namespace=f"next {options}", **options)
    def walk(outermost=True):
        if outermost:
            sent.extend(walk.apply_async((False,), **call) for _ in range(2))
            for result in sent:
                with pytest.raises(ConfigurationError, match="would wait for ever"):
                    result.get(timeout=5, disable_sync_subtasks=False)
        return "told"

    assert value_of(walk.delay()) == "told"
    assert [result.duplicate for result in sent] == [False, True]
    assert isinstance(sent[1], HolderResult)  # its end unsubscribes nobody
    assert [value_of(result) for result in sent] == ["told", "told"]


def test_a_body_may_wait_for_another_key(worker_app):
    @worker_app.task
    @unique(on_duplicate="retry")
    def walk(number):
        if number:
            result = walk.delay(number - 1)
            return [number, *result.get(timeout=60, disable_sync_subtasks=False)]
        return [number]

    assert value_of(walk.delay(2)) == [2, 1, 0]


def test_a_caller_may_wait_for_the_result_when_the_body_has_ended(worker_app):
    sent: list[Any] = []

    @worker_app.task
    @unique(key=(), on_duplicate=SOON)
    def walk(again=True):
        if again:
            sent.append(walk.delay(False))
        return "done"

    assert value_of(walk.delay()) == "done"
    assert value_of(sent[0]) == "done"
    assert isinstance(sent[0], LaterResult)
    assert LaterResult.wait is LaterResult.get and HolderResult.wait is HolderResult.get
    copy = pickle.loads(pickle.dumps(sent[0]))
    assert (copy.id, copy.get(timeout=60)) == (sent[0].id, "done")
