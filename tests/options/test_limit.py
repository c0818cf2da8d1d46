"""The option ``limit=``: its values, its callable, and what it does not go with."""

from typing import Any

import pytest
from celery import Celery

from tests.published_calls import ForOne, task_of
from unique_task import (
    ConfigurationError,
    MemoryBackend,
    UniqueError,
    UniqueLimitError,
    cached,
)
from unique_task import replace as replacing
from unique_task import unique
from unique_task.keys.arguments import Misfit, Parameters
from unique_task.options.app_settings import settings_of
from unique_task.options.guarded_class import spec_of
from unique_task.options.limit import limit_of_call
from unique_task.options.lock_types import LOCK_TYPES


def sync(tenant, *more, size=1, **rest): ...


PARAMETERS = Parameters(sync)


def limit_of(limit: Any, *args: Any, **kwargs: Any) -> int:
    return limit_of_call(limit, PARAMETERS, args, kwargs)


def test_a_number_is_the_limit_of_all_calls():
    assert limit_of(3, "a") == limit_of(3) == 3


def test_a_callable_gets_the_arguments_as_the_task_does():
    seen: list[Any] = []

    def limit(tenant, *more, size, **rest):
        seen.append((tenant, more, size, rest))
        return size + 1

    assert limit_of(limit, "a", "b", colour="red") == 2
    assert limit_of(limit, tenant="a", size=4) == 5
    assert seen == [("a", ("b",), 1, {"colour": "red"}), ("a", (), 4, {})]


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, "3", True, None, [3], 10**9 + 1])
def test_a_callable_that_returns_no_limit_is_an_error_that_names_the_value(value):
    with pytest.raises(UniqueLimitError) as error:
        limit_of(lambda *args, **kwargs: value, "a")

    assert f"returned {value!r}: allowed are whole numbers from 1" in str(error.value)
    assert isinstance(error.value, (UniqueError, ValueError))


def test_a_callable_that_raises_is_an_error_with_the_cause():
    def limit(*args, **kwargs):
        raise KeyError("no such tenant")

    with pytest.raises(UniqueLimitError, match="no such tenant") as error:
        limit_of(limit, "a")

    assert isinstance(error.value.__cause__, KeyError)


def test_arguments_that_do_not_fit_the_task_are_the_errors_of_the_task():
    with pytest.raises(Misfit):
        limit_of(lambda *args, **kwargs: 1)


def charge(order_id, note=""): ...


def bound_charge(self, order_id, note=""): ...


@pytest.mark.parametrize(
    "function, bind, limit",
    [
        (charge, False, lambda order_id: 2),
        (bound_charge, True, lambda order_id: 2),
        (bound_charge, True, lambda self, order_id, note: 2),
    ],
)
def test_a_callable_that_does_not_fit_fails_when_the_task_is_made(
    function, bind, limit
):
    task: Any = Celery(set_as_current=False).task

    with pytest.raises(ConfigurationError, match="limit=.*called as the task is"):
        task(lazy=False, shared=False, bind=bind)(unique(limit=limit)(function))


@pytest.mark.parametrize("key", [None, lambda order_id, note: 1], ids=["all", "own"])
def test_a_callable_may_fit_the_parameters_of_a_bound_task(key):
    limited = unique(key=key, limit=lambda order_id, note: 2)(bound_charge)
    task: Any = Celery(set_as_current=False).task

    made = task(lazy=False, shared=False, bind=True)(limited)

    assert made.run.__name__ == "bound_charge"


@pytest.mark.parametrize("limit", [2, lambda order_id, note: 1], ids=["2", "callable"])
@pytest.mark.parametrize(
    "policy, name",
    [
        ("cached", "'cached'"),
        (cached(5), "'cached'"),
        ({"run": "cached"}, "'cached'"),
        ("replace", "'replace'"),
        (replacing(countdown=5), "'replace'"),
        ({"publish": "replace", "run": "retry"}, "'replace'"),
    ],
    ids=str,
)
def test_a_policy_that_needs_one_holder_fails_at_import(limit, policy, name):
    with pytest.raises(ConfigurationError) as error:
        unique(limit=limit, on_duplicate=policy)

    assert f"limit={limit!r} with on_duplicate={name}" in str(error.value)


@pytest.fixture
def app():
    app = Celery("shop", set_as_current=False, broker="memory://")
    app.conf.unique_backend = MemoryBackend()
    return app


def check(task: Any) -> None:
    """Do what a worker does with the task when it starts."""
    spec_of(task).check(task, settings_of(task.app))


@pytest.mark.parametrize("limit", [2, lambda item, note: 1], ids=["2", "callable"])
def test_such_a_policy_by_the_settings_fails_when_a_worker_starts(app, limit):
    app.conf.unique_on_duplicate = "cached"

    with pytest.raises(ConfigurationError, match="work: limit=.*'cached'"):
        check(task_of(app, unique(limit=limit)))
    check(task_of(app, unique(limit=1), name="one"))


@pytest.mark.parametrize("limit", [2, lambda item, note: 1], ids=["2", "callable"])
def test_a_store_for_one_holder_is_refused_when_a_worker_starts(app, limit):
    task = task_of(app, unique(limit=limit))
    check(task)
    app.conf.unique_backend = ForOne()

    with pytest.raises(ConfigurationError) as error:
        check(task)

    for text in ("work: ", f"limit={limit!r}", "memory://", "unique_backend"):
        assert text in str(error.value)
    check(task_of(app, unique(limit=1), name="one"))


def test_a_store_for_one_holder_is_no_matter_where_no_task_is_guarded(app):
    app.conf.update(unique_backend=ForOne(), unique_enabled=False)

    check(task_of(app, unique(limit=2)))


@pytest.mark.parametrize(
    "lock, run, reservation",
    [
        ("while_executing", 3, 3),
        ("until_executing", 1, 3),
        ("until_executed", 3, 3),
        ("until_expired", 1, 3),
        ("until_and_while_executing", 3, 1),
    ],
)
def test_a_lock_type_says_which_of_its_locks_may_have_several_holders(
    lock, run, reservation
):
    kind = LOCK_TYPES[lock]

    assert (kind.run_limit(3), kind.reservation_limit(3)) == (run, reservation)
    assert kind.for_successor().reservation_limit(3) == 3
