"""What type checkers see of guarded tasks; checked by ``tests/tasks/test_typing.py``.

Each wrong call says the error that it is to give: mypy, strict, complains of one that
does not come. The stubs of Celery keep parameters for ``shared_task`` only.
"""

from typing import TYPE_CHECKING

from celery import shared_task

from unique_task import (
    UniqueCeleryTask,
    UniqueResult,
    guarded,
    retry,
    unique,
)
from unique_task.recipes import (
    at_most,
    debounce,
    no_overlap,
    once_more,
    single_flight,
    singleton,
    throttle,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type


@unique
def bare(x: int, y: str = "") -> float:
    return x / 2


@unique(key="{x}", on_duplicate=retry(countdown=5))
def called(x: int, y: str = "") -> float:
    return x / 2


@unique
@shared_task
def outer(x: int, y: str = "") -> float:
    return x / 2


@unique(expire=60)
@shared_task
def outer_called(x: int, y: str = "") -> float:
    return x / 2


@shared_task
@unique(key=["x"])
def inner(x: int, y: str = "") -> float:
    return x / 2


def right() -> None:
    assert_type(bare(1, y="a"), float)
    assert_type(called(1, y="a"), float)
    assert_type(outer(1, y="a"), float)
    assert_type(outer_called(1, y="a"), float)
    assert_type(inner(1, y="a"), float)
    outer.delay(1, y="a")
    outer_called.delay(1, y="a")
    inner.delay(1, y="a")
    assert_type(outer.name, str)


def wrong() -> None:
    bare("a")  # type: ignore[arg-type]
    bare()  # type: ignore[call-arg]
    called(1, z=2)  # type: ignore[call-arg]
    called(1, 2)  # type: ignore[arg-type]
    outer("a")  # type: ignore[arg-type]
    outer.delay("a")  # type: ignore[arg-type]
    outer_called.delay(1, z=2)  # type: ignore[call-arg]
    inner.delay()  # type: ignore[call-arg]
    inner(1, 2)  # type: ignore[arg-type]


def wrong_options() -> None:
    unique(colour="red")  # type: ignore[call-overload]
    unique(expire="soon")  # type: ignore[call-overload]
    unique(3)  # type: ignore[call-overload]
    unique(bare, key="{x}")  # type: ignore[call-overload]
    unique(lock="until_done")  # type: ignore[call-overload]
    unique(on_duplicate="drop")  # type: ignore[call-overload]
    unique(on_duplicate=retry)  # type: ignore[arg-type]
    unique(on_duplicate={"run": "replace"})  # type: ignore[call-overload]
    unique(limit="3")  # type: ignore[call-overload]
    unique(backend=3)  # type: ignore[call-overload]


def right_options() -> None:
    unique(lock="until_executed", on_duplicate={"publish": "replace", "run": retry()})
    unique(on_duplicate=lambda duplicate: duplicate.owner, limit=lambda x: int(x))


class ByClass(UniqueCeleryTask):
    unique_options = {"on_duplicate": "retry", "lock": "until_executed"}


class WrongClass(UniqueCeleryTask):
    unique_options = {"lock": "until_done"}  # type: ignore[typeddict-item]


def calls() -> None:
    """What a guard adds to calls; of a task below Celery's decorator, by a view."""
    assert_type(outer.delay(1), UniqueResult[float])
    assert_type(outer.delay(1).duplicate, bool)
    assert_type(outer.delay(1).get(), float)
    outer.apply_async((1,), unique={"expire": 60}, unique_key="mine", queue="slow")
    outer_called.apply_async((1,), {"y": "a"}, unique="successor", countdown=5)
    guarded(inner).apply_async((1,), unique=False)
    assert_type(guarded(inner).delay(1, y="a").duplicate, bool)


def wrong_calls() -> None:
    outer.apply_async((1,), unique="never")  # type: ignore[arg-type]
    outer.apply_async((1,), unique={"namespace": "a"})  # type: ignore[arg-type]
    guarded(inner).delay("a")  # type: ignore[arg-type]
    guarded(bare)  # type: ignore[arg-type]
    inner.delay(1).duplicate  # type: ignore[attr-defined]


@singleton
def bare_recipe(x: int) -> float:
    return x / 2


@once_more(retry(countdown=5), key="{x}")
def recipe_with_policy(x: int) -> float:
    return x / 2


@single_flight(ttl=60)
@shared_task
def outer_recipe(x: int) -> float:
    return x / 2


def right_recipes() -> None:
    assert_type(bare_recipe(1), float)
    assert_type(recipe_with_policy(1), float)
    assert_type(outer_recipe.delay(1).duplicate, bool)
    singleton(expire=60, on_duplicate="skip")
    at_most(3, key="{x}", expire=60)
    throttle(60, limit=5, on_duplicate="raise")
    debounce(5, key=["x"], namespace="a")
    no_overlap("a", lock="until_executed", renew=False)


def wrong_recipes() -> None:
    bare_recipe("a")  # type: ignore[arg-type]
    throttle("soon")  # type: ignore[arg-type]
    debounce()  # type: ignore[call-arg]
    singleton(lock="until_done")  # type: ignore[call-overload]
    singleton(key="{x}")  # type: ignore[call-overload]
    single_flight(60, on_duplicate="skip")  # type: ignore[call-overload]
    at_most(3, lock="until_executed")  # type: ignore[call-arg]
    throttle(60, expire=5)  # type: ignore[call-arg]
    once_more(lock="until_executed")  # type: ignore[call-overload]
    no_overlap("a", on_duplicate="skip")  # type: ignore[call-arg]
