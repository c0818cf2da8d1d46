"""What belongs to a canvas, or is sent for a task that ends, is always sent."""

from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.published_calls import ONE, holder, is_duplicate, task_of
from tests.waiting import wait_until
from unique_task import DuplicateTaskError, MemoryBackend, skip, unique

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def work(app):
    return task_of(app)


BOUND = {
    "group": lambda task: group(task.si(1), task.si(1)).apply_async(),
    "chain head": lambda task: chain(task.si(1), task.si(2)).apply_async(),
    "chord header": lambda task: chord([task.si(1), task.si(1)])(task.si(3)),
    "reply_to": lambda task: task.apply_async((1,), reply_to="me"),
    "parent_id": lambda task: task.apply_async((1,), parent_id="parent"),
    "group_id": lambda task: task.apply_async((1,), group_id="group"),
    "chord": lambda task: task.apply_async((1,), chord=task.si(5)),
}


@pytest.mark.parametrize("publish", BOUND.values(), ids=BOUND)
def test_what_is_bound_takes_a_free_lock(work, sent, publish):
    publish(work)

    assert holder(work, 1).owner == sent[0].id
    assert sent[0].lock["token"].startswith(sent[0].id)


@pytest.mark.parametrize("policy", ["ignore", "skip", "raise", "retry", "replace"])
@pytest.mark.parametrize("publish", BOUND.values(), ids=BOUND)
def test_what_is_bound_is_sent_without_the_lock_if_that_is_held(
    app, sent, publish, policy
):
    work = task_of(app, unique(lock="until_executing", on_duplicate=policy))
    first = work.delay(1)

    publish(work)

    assert len(sent) > 1
    assert "token" not in sent[1].lock
    assert sent[1].headers["eta"] is None
    assert holder(work, 1).owner == first.id


def test_what_is_bound_is_not_replaced(app, sent):
    work = task_of(app, unique(lock="until_executing", on_duplicate="replace"))
    work.apply_async((1,), parent_id="parent")

    assert work.delay(1).duplicate
    assert len(sent) == 1


# With a worker


@pytest.fixture
def add(worker_app, gate):
    """A task that waits at the gate for 0, and adds one."""
    worker_app.conf.unique_backend = MemoryBackend()

    @worker_app.task(name="add")
    @ONE
    def add(number=0):
        if number == 0:
            gate.hold()
        return number + 1

    return add


def ends(result: Any) -> Any:
    """Return its value, or "revoked"."""
    try:
        return value_of(result)
    except TaskRevokedError:
        return "revoked"


def test_a_group_of_equal_calls_ends(add, gate):
    held = add.delay(0)
    gate.wait_for_arrival()
    result: Any = group(add.si(0), add.si(1)).apply_async()

    assert [ends(child) for child in result.results] == ["revoked", 2]
    gate.open()
    assert value_of(held) == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_chain_with_a_duplicate_ends_wherever_that_stands(add, gate, place):
    held = add.delay(0)
    gate.wait_for_arrival()
    numbers = [1, 2, 3]
    numbers[place] = 0
    result = chain(*(add.si(number) for number in numbers)).apply_async()

    assert ends(result) == "revoked"
    gate.open()
    assert value_of(held) == 1


def test_a_chain_and_a_chord_go_on_past_what_is_skipped(worker_app, gate):
    @worker_app.task(name="total")
    @unique(lock="until_executed")
    def total(numbers):
        return sum(numbers)

    @worker_app.task(name="held")
    @unique(lock="until_executed", on_duplicate=skip(10))
    def held(*_):
        gate.hold()
        return 1

    first = held.delay()
    gate.wait_for_arrival()
    second = chord([held.si(), held.si()])(total.s())

    assert value_of(second) == 20
    gate.open()
    assert value_of(first) == 1


@pytest.mark.parametrize("size", [1, 2])
def test_the_body_of_a_chord_is_sent_though_its_key_is_held(add, gate, sent, size):
    held = add.delay(0)
    gate.wait_for_arrival()
    header = [add.si(number) for number in range(1, size + 1)]
    result = chord(header)(add.si(0).set(unique={"on_duplicate": "raise"}))

    with pytest.raises(DuplicateTaskError):
        value_of(result)
    assert sent.last.id == result.id
    gate.open()
    assert value_of(held) == 1


def test_a_chain_of_different_calls_passes_each_ones_value_on(add):
    assert value_of(chain(add.s(1), add.s(), add.s()).apply_async()) == 4


def test_a_callback_is_sent_though_its_key_is_held(add, gate, sent):
    held = add.delay(0)
    gate.wait_for_arrival()
    result = add.apply_async((5,), link=add.si(0))

    assert value_of(result) == 6
    wait_until(lambda: len(sent) == 3)
    assert sent.last.headers["parent_id"] == result.id
    assert "token" not in sent.last.lock
    gate.open()
    assert value_of(held) == 1


def test_a_callback_of_an_error_is_sent_though_its_key_is_held(
    worker_app, add, gate, sent
):
    @worker_app.task(name="fail")
    def fail():
        raise ZeroDivisionError

    held = add.delay(0)
    gate.wait_for_arrival()
    result = fail.apply_async(link_error=add.si(0))

    with pytest.raises(ZeroDivisionError):
        value_of(result)
    wait_until(lambda: len(sent) == 3)
    assert "token" not in sent.last.lock
    gate.open()
    assert value_of(held) == 1


def test_what_a_body_publishes_itself_is_guarded_like_any_other(worker_app, add, gate):
    @worker_app.task(name="outer")
    def outer():
        result = add.delay(0)
        return [result.id, result.duplicate]

    held = add.delay(0)
    gate.wait_for_arrival()

    assert value_of(outer.delay()) == [held.id, True]
    gate.open()
    assert value_of(held) == 1
    wait_until(lambda: holder(add, 0) is None)
    assert value_of(outer.delay())[1] is False


def test_a_call_after_the_end_is_no_duplicate(add):
    first = add.delay(1)
    assert value_of(first) == 2
    wait_until(lambda: holder(add, 1) is None)

    second = add.delay(1)

    assert not second.duplicate
    assert value_of(second) == 2
    assert not is_duplicate(second, of=first)
