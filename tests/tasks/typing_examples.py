"""What type checkers see of guarded tasks; checked by ``tests/tasks/test_typing.py``.

Each wrong call says the error that it is to give: mypy, strict, complains of one that
does not come. The stubs of Celery keep parameters for ``shared_task`` only.
"""

from typing import TYPE_CHECKING

from celery import shared_task

from unique_task import retry, unique
from unique_task.recipes import (
    debounce,
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
    outer_recipe.delay(1)


def wrong_recipes() -> None:
    bare_recipe("a")  # type: ignore[arg-type]
    throttle("soon")  # type: ignore[arg-type]
    debounce()  # type: ignore[call-arg]
