"""However a task is published, its lock is taken first, and a duplicate is dropped."""

from datetime import timedelta
from typing import Any

import pytest
from celery import beat, signature
from celery.result import AsyncResult
from celery.signals import before_task_publish

from tests.inprocess import make_app
from tests.published_calls import (
    holder,
    is_duplicate,
    key_of,
    record_at,
    task_of,
)
from unique_task import unique
from unique_task.messages.stamp import LOCK_HEADER, MESSAGE_HEADER

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def work(app):
    return task_of(app)


def by_beat(task: Any, **entry: Any) -> Any:
    schedule = {"task": task.name, "schedule": timedelta(seconds=1), **entry}
    task.app.conf.beat_schedule = {"entry": schedule}
    scheduler = beat.Service(task.app, scheduler_cls=beat.Scheduler).scheduler
    scheduler.setup_schedule()
    return scheduler.apply_async(scheduler.schedule["entry"], advance=False)


WAYS = {
    "delay": lambda task: task.delay(1),
    "delay by name": lambda task: task.delay(item=1, note=""),
    "apply_async": lambda task: task.apply_async((1,)),
    "apply_async by name": lambda task: task.apply_async(kwargs={"item": 1}),
    "apply_async to a queue": lambda task: task.apply_async((1,), queue="other"),
    "apply_async by a producer": lambda task: with_producer(task),
    "signature": lambda task: task.s(1).apply_async(),
    "signature.delay": lambda task: task.s().delay(1),
    "immutable signature": lambda task: task.si(1, note="").delay(),
    "signature by name": lambda task: signature("work", (1,), app=task.app).delay(),
    "signature out of JSON": lambda task: signature(
        {**task.s(1), "options": {}}, app=task.app
    ).apply_async(),
    "signature called back with a part": lambda task: task.s(note="").apply_async((1,)),
    "send_task": lambda task: task.app.send_task("work", (1,)),
    "send_task by name": lambda task: task.app.send_task(name="work", args=[1]),
    "send_task by position": lambda task: task.app.send_task("work", (1,), {}, 0, None),
    "beat": lambda task: by_beat(task, args=(1,)),
    "beat with options": lambda task: by_beat(
        task, kwargs={"item": 1}, options={"expires": 60}
    ),
}


def with_producer(task: Any) -> Any:
    with task.app.producer_pool.acquire() as producer:
        return task.apply_async((1,), producer=producer)


@pytest.mark.parametrize("publish", WAYS.values(), ids=WAYS)
def test_a_way_to_publish_takes_the_lock(work, sent, publish):
    result = publish(work)

    assert result.duplicate is False
    record = holder(work, 1)
    assert record is not None
    assert (record.owner, record.state, record.task) == (result.id, "pending", "work")
    assert sent.last.lock["token"] == record.token
    mark = sent.last.headers[MESSAGE_HEADER].partition("-")[0]
    assert record.token.startswith(f"{result.id}/0/0/{mark}/")
    assert sent.last.lock["key"] == key_of(work, 1)


@pytest.mark.parametrize("publish", WAYS.values(), ids=WAYS)
def test_a_way_to_publish_drops_the_duplicate(work, sent, publish):
    first = work.delay(1)

    assert is_duplicate(publish(work), of=first)
    assert sent.ids == [first.id]


@pytest.mark.parametrize("publish", WAYS.values(), ids=WAYS)
def test_another_call_is_no_duplicate(work, sent, publish):
    other = work.delay(2)

    result = publish(work)

    assert sent.ids == [other.id, result.id]


def test_a_call_whose_own_id_the_caller_gives_is_guarded_like_any_other(work, sent):
    first = work.apply_async((1,), task_id="mine")
    second = work.apply_async((1,), task_id="mine, too")

    assert first.id == "mine"
    assert is_duplicate(second, of=first)
    assert sent.ids == ["mine"]


def test_an_id_that_is_used_again_is_a_duplicate_of_itself(work, sent):
    work.apply_async((1,), task_id="mine")

    assert work.apply_async((1,), task_id="mine").duplicate
    assert sent.ids == ["mine"]


def test_options_that_send_task_gets_by_position_count(work, sent):
    first = work.app.send_task("work", (1,), {}, None, None, "mine")

    assert (first.id, sent.ids) == ("mine", ["mine"])
    assert work.app.send_task("work", (1,), {}, None, None, "other").id == "mine"


def test_a_result_class_is_used_for_what_is_sent(work):
    class Result(AsyncResult):
        def __init__(self, id):
            super().__init__(id, app=work.app)

    assert type(work.app.send_task("work", (1,), result_cls=Result)) is Result


def test_a_task_that_this_process_does_not_know_is_sent_as_it_is(app, sent):
    result = app.send_task("elsewhere", (1,))

    assert not hasattr(result, "duplicate")
    assert LOCK_HEADER not in sent.last.headers
    assert app.send_task("elsewhere", (1,)).id == sent.ids[1]


def test_a_task_is_known_by_its_name_before_its_app_is_finalized_and_after(app, sent):
    task_of(app, name="late")
    first = app.send_task("late")
    assert is_duplicate(app.send_task("late"), of=first)
    assert not app.finalized

    app.finalize()

    assert is_duplicate(app.send_task("late"), of=first)


def test_a_task_without_a_guard_is_left_alone(app, sent):
    plain = task_of(app, guard=lambda function: function, name="left alone")

    for _ in range(2):
        assert not hasattr(plain.delay(), "duplicate")
    assert len(sent) == 2
    assert not {name for name in sent.last.headers if name.startswith("unique_task")}


def test_a_lock_that_is_taken_at_run_costs_nothing_at_publish(app, sent):
    work = task_of(app, unique)

    for _ in range(2):
        assert work.delay().duplicate is False
    assert (len(sent), sent.last.lock, holder(work)) == (2, None, None)


def test_what_a_receiver_of_celerys_signal_publishes_is_a_message_of_its_own(app, sent):
    one, two = task_of(app, name="one"), task_of(app, name="two")

    def also(sender: str, **_: Any) -> None:
        if sender == "one":
            two.delay()

    before_task_publish.connect(also)
    try:
        one.delay()
    finally:
        before_task_publish.disconnect(also)

    assert [message.name for message in sent] == ["two", "one"]
    for message in sent:
        assert message.lock["id"] == message.id
        record = record_at(app, message.lock["key"])
        assert record is not None and record.owner == message.id


def test_two_apps_with_one_store_share_the_lock(work, own_shared_tasks):
    with make_app(unique_backend=work.app.conf.unique_backend) as other:
        first = work.delay(1)
        again = task_of(other).delay(1)

    assert is_duplicate(again, of=first)
