"""A call whose worker takes the lock is sent as Celery sends it, with a message id."""

from typing import Any

import pytest

from tests.published_calls import holder, task_of
from unique_task import ConfigurationError, unique
from unique_task.messages.stamp import LOCK_HEADER, MESSAGE_HEADER

pytest_plugins = "tests.inprocess_fixtures"

AT_START = unique(lock="while_executing")

CALLS = {
    "delay": lambda task: task.delay(1),
    "with an id": lambda task: task.apply_async((1,), task_id="mine"),
    "with headers": lambda task: task.apply_async((1,), headers={"trace": "a"}),
    "by name": lambda task: task.app.send_task(task.name, (1,)),
    "a signature": lambda task: task.s(1).apply_async(),
}


@pytest.fixture(params=[1, 2])
def work(app, request):
    app.conf.task_protocol = request.param
    return task_of(app, AT_START)


def message_id(message: Any) -> Any:
    return message.headers[MESSAGE_HEADER]


@pytest.mark.parametrize("publish", CALLS.values(), ids=CALLS)
def test_each_message_has_an_id_of_its_own_and_no_lock(work, sent, publish):
    results = [publish(work), publish(work)]

    assert [result.duplicate for result in results] == [False, False]
    assert message_id(sent[0]) != message_id(sent[1])
    assert not any(LOCK_HEADER in message.headers for message in sent)
    assert holder(work, 1) is None


def test_the_callers_own_headers_stay(work, sent):
    work.apply_async((1,), headers={"trace": "a", MESSAGE_HEADER: "forwarded"})

    assert sent.last.headers["trace"] == "a"
    assert message_id(sent.last) != "forwarded"


def test_a_message_of_a_task_under_another_name_has_an_id(app, sent):
    work = task_of(app, AT_START)

    work.app.send_task("alias", (1,), task_type=app.tasks["work"])

    assert sent.last.name == "alias"
    assert message_id(sent.last)


def test_a_lock_type_that_is_set_later_counts_from_the_next_call_on(app, sent):
    work = task_of(app, unique)
    work.delay(1)
    app.conf.unique_lock = "until_executed"

    assert work.delay(1).duplicate is False
    assert work.delay(1).duplicate is True
    assert [message.lock is None for message in sent] == [True, False]


def test_a_wrong_setting_is_an_error_of_the_call(app, sent):
    work = task_of(app, unique)
    work.delay(1)
    app.conf.unique_lock = "for_ever"

    with pytest.raises(ConfigurationError, match="for_ever"):
        work.delay(1)
    assert len(sent) == 1
