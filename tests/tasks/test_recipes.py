"""The recipes, each by what its user wants of it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from celery import states
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.waiting import in_time, wait_until
from unique_task import ConfigurationError, retry, unique
from unique_task.recipes import (
    at_most,
    debounce,
    no_overlap,
    once_more,
    single_flight,
    singleton,
    throttle,
)

pytest_plugins = "tests.inprocess_fixtures"

SOON = retry(countdown=0.05, maximum=0.1)


@pytest.fixture
def ran():
    """The arguments of the bodies that ran."""
    return []


def test_singleton_runs_one_at_a_time_whatever_the_arguments(worker_app, gate, ran):
    @worker_app.task
    @singleton()
    def rebuild(name):
        ran.append(name)
        gate.hold()

    first = rebuild.delay("a")
    gate.wait_for_arrival()
    with pytest.raises(TaskRevokedError, match=first.id):
        value_of(rebuild.delay("b"))
    gate.open()
    value_of(first)

    value_of(rebuild.delay("c"))
    assert ran == ["a", "c"]


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_single_flight_works_once_for_all_who_ask(worker_app, gate, ran, lock):
    @worker_app.task
    @single_flight(60, lock=lock, key="{currency}", namespace=lock)
    def rate(currency, asked_by):
        ran.append(asked_by)
        gate.hold()
        return asked_by

    results = [rate.delay("EUR", "ann")]
    gate.wait_for_arrival()
    results += [rate.delay("EUR", name) for name in ("bob", "cem")]
    gate.open()
    results += [rate.delay("EUR", "dan")]

    assert {value_of(result) for result in results} == {"ann"}
    assert value_of(rate.delay("EUR", "eva")) == "ann"
    assert ran == ["ann"]


def test_throttle_runs_the_first_call_of_each_period(worker_app, ran):
    @worker_app.task
    @throttle(2, key="{user}")
    def remind(user, number):
        ran.append((user, number))
        return number

    def two_calls():
        user = str(uuid4())
        first = remind.delay(user, 0)
        assert value_of(first) == 0
        return user, first, remind.delay(user, 1)

    user, first, dropped = in_time(two_calls, 2)
    assert (dropped.duplicate, dropped.id) == (True, first.id)
    assert not remind.delay("bob", 2).duplicate

    next_one = wait_until(lambda: _unless_duplicate(remind.delay(user, 3)))
    assert value_of(next_one) == 3
    assert [number for name, number in ran if name == user] == [0, 3]


def _unless_duplicate(result: Any) -> Any:
    return None if result.duplicate else result


def test_debounce_runs_the_last_call_of_a_burst_with_its_arguments(worker_app, ran):
    @worker_app.task
    @debounce(1, key="{document}")
    def index(document, text):
        ran.append((document, text))
        return text

    document, (*earlier, last) = in_time(lambda: burst(index), 1)
    other = index.delay("other", "x")

    assert value_of(last) == "c"
    assert value_of(other) == "x"
    for result in earlier:
        with pytest.raises(TaskRevokedError, match="replaced by"):
            value_of(result)
    assert [text for name, text in ran if name == document] == ["c"]


def burst(index: Any) -> tuple[str, list[Any]]:
    """Call a task for a document of its own, with several texts."""
    document = str(uuid4())
    return document, [index.delay(document, text) for text in "abc"]


def test_debounce_does_not_put_off_for_longer_than_max_wait(worker_app, ran):
    @worker_app.task
    @debounce(60, max_wait=2, key="{document}")
    def index(document, text):
        ran.append((document, text))
        return text

    document, results = in_time(lambda: burst(index), 2)

    assert value_of(results[-1]) == "c"
    assert [text for name, text in ran if name == document] == ["c"]


def test_once_more_misses_no_change_and_queues_one_call_at_most(worker_app, gate, ran):
    """The body reads what is dirty, then takes its time, as a synchronization would."""
    changes: list[int] = []
    seen: list[list[int]] = []

    @worker_app.task
    @once_more(SOON, key="{account}")
    def synchronize(account):
        seen.append(list(changes))
        gate.hold()

    def change(number: int) -> Any:
        changes.append(number)
        return synchronize.delay("ann")

    first = change(1)
    gate.wait_for_arrival()
    second, third = change(2), change(3)
    assert not second.duplicate
    assert third.duplicate and third.id == second.id
    wait_until(lambda: second.state == states.RETRY)
    assert seen == [[1]]
    gate.open()
    value_of(first)

    value_of(second)
    assert seen == [[1], [1, 2, 3]]


def test_no_overlap_runs_all_calls_of_several_tasks_one_at_a_time(
    worker_app, gate, ran
):
    @worker_app.task
    @no_overlap("ledger", key="{account}", wait=SOON)
    def book(account):
        ran.append("book")
        gate.hold()
        ran.append("booked")

    @worker_app.task
    @no_overlap("ledger", key="{account}", wait=SOON)
    def close(account):
        ran.append("close")

    booked = book.delay("ann")
    gate.wait_for_arrival()
    closed = close.delay("ann")
    value_of(close.delay("bob"))
    wait_until(lambda: closed.state == states.RETRY)
    gate.open()

    value_of(booked)
    value_of(closed)
    assert ran == ["book", "close", "booked", "close"]


def test_at_most_runs_so_many_at_once_and_all_in_the_end(worker_app, gate, ran):
    @worker_app.task
    @at_most(2, key="{tenant}", wait=SOON)
    def synchronize(tenant, number):
        ran.append((tenant, number))
        gate.hold()
        return number

    results = [synchronize.delay("ann", number) for number in range(2)]
    for _ in results:
        gate.wait_for_arrival()
    third = synchronize.delay("ann", 2)
    wait_until(lambda: third.state == states.RETRY)
    other = synchronize.delay("bob", 3)
    gate.wait_for_arrival()
    assert sorted(ran) == [("ann", 0), ("ann", 1), ("bob", 3)]
    gate.open()

    assert [value_of(result) for result in (*results, third, other)] == [0, 1, 2, 3]


def test_at_most_takes_a_callable_by_name(worker_app, gate):
    @worker_app.task
    @at_most(limit=lambda tenant: {"ann": 2}.get(tenant, 1), key="{tenant}", wait=SOON)
    def synchronize(tenant):
        gate.hold()

    results = [synchronize.delay(tenant) for tenant in ("ann", "ann", "bob")]
    for _ in results:
        gate.wait_for_arrival()
    waits = [synchronize.delay(tenant) for tenant in ("ann", "bob")]
    for result in waits:
        wait_until(lambda: result.state == states.RETRY)
    gate.open()

    for result in (*results, *waits):
        value_of(result)


def test_throttle_with_a_limit_runs_so_many_calls_in_any_period(worker_app, ran):
    @worker_app.task
    @throttle(2, limit=3, key="{api}")
    def ask(api, number):
        ran.append((api, number))

    def burst() -> tuple[str, list[bool]]:
        api = str(uuid4())
        return api, [ask.delay(api, number).duplicate for number in range(5)]

    api, duplicate = in_time(burst, 2)

    assert duplicate == [False] * 3 + [True] * 2
    value_of(wait_until(lambda: _unless_duplicate(ask.delay(api, 7))))
    assert sorted(number for name, number in ran if name == api) == [0, 1, 2, 7]


RECIPES: dict[str, Callable[..., Any]] = {
    "singleton": singleton,
    "single_flight": single_flight,
    "throttle": lambda **options: throttle(60, **options),
    "debounce": lambda **options: debounce(5, **options),
    "once_more": once_more,
    "no_overlap": lambda **options: no_overlap("ledger", **options),
    "at_most": lambda **options: at_most(3, **options),
    "throttle of several": lambda **options: throttle(60, limit=3, **options),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_the_other_options_of_unique(name):
    def charge(order_id: int, note: str = "") -> int:
        return order_id

    decorated = RECIPES[name](renew=False, backend="memory://")(charge)

    assert decorated.__name__ == "charge"
    assert vars(decorated).keys() == vars(unique(charge)).keys()
    with pytest.raises(ConfigurationError, match="'keys' is no option"):
        RECIPES[name](keys="{order_id}")
