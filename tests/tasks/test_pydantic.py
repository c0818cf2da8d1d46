"""Tasks with ``pydantic=True`` and hints as text behave as without a guard."""

from __future__ import annotations

import inspect
import typing
from types import FunctionType
from typing import TYPE_CHECKING, Any, Optional, Union

import pytest
from celery import Task
from celery.app import base
from pydantic import BaseModel, ValidationInfo, field_validator

from tests.inprocess import value_of
from tests.published_calls import key_of
from unique_task import UniqueCeleryTask, unique

if TYPE_CHECKING:
    from tests.published_calls import Message

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.skipif(
    not hasattr(base, "pydantic_wrapper"), reason="new in Celery 5.5"
)

#: From this version on a caller may give a model.
TAKES_MODELS = hasattr(Task, "_dump_pydantic_arguments")


class Order(BaseModel):
    id: int
    note: str = ""


class Total(BaseModel):
    sum: int


class Priced(BaseModel):
    """Can be read with a context alone."""

    price: int

    @field_validator("price")
    @classmethod
    def in_cents(cls, price: int, info: ValidationInfo) -> int:
        assert info.context is not None
        return price * int(info.context["factor"])


#: How the guard gets around a task.
FORMS: dict[str, Any] = {
    "plain": lambda make, function: make(function),
    "below": lambda make, function: make(unique(lock="until_executed")(function)),
    "above": lambda make, function: unique(lock="until_executed")(make(function)),
    "class": lambda make, function: make(function, base=UniqueCeleryTask),
}


def anew(function: Any) -> FunctionType:
    """Return another one of the same: a function remembers its guard."""
    code, names, name = function.__code__, function.__globals__, function.__name__
    made = FunctionType(code, names, name, function.__defaults__, function.__closure__)
    made.__annotations__ = dict(function.__annotations__)
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__
    return made


@pytest.fixture(params=FORMS)
def make(request, worker_app):
    """Call it to make a task of a function, guarded in one of the forms."""

    def make(function: Any, **options: Any) -> Any:
        def task(function: Any, **base: Any) -> Any:
            decorated = worker_app.task(pydantic=True, **options, **base)
            return decorated(function)

        return FORMS[request.param](task, anew(function))

    return make


def total(order: Order, more: Optional[Order] = None) -> Total:
    """Its hints are texts, which only this module can read."""
    assert isinstance(order, Order)
    assert more is None or isinstance(more, Order)
    return Total(sum=order.id + (more.id if more else 0))


def bound_total(self: Task, order: Order) -> Total:
    assert isinstance(order, Order) and self.request.id
    return Total(sum=order.id)


def either(order: Union[Order, None], kind: Union[int, str]) -> Any:
    return [type(order).__name__, kind]


def test_the_body_gets_models_and_its_own_is_dumped(make):
    task = make(total)

    assert value_of(task.delay({"id": 1}, more={"id": 2})) == {"sum": 3}
    assert value_of(task.delay({"id": 1}, None)) == {"sum": 1}
    if TAKES_MODELS:
        assert value_of(task.delay(Order(id=4))) == {"sum": 4}


def test_a_bound_task_gets_models(make):
    assert value_of(make(bound_total, bind=True).delay({"id": 1})) == {"sum": 1}


def test_a_model_or_none_is_read_and_other_unions_are_not(make):
    task = make(either)

    assert value_of(task.delay({"id": 1}, 2)) == ["Order", 2]
    assert value_of(task.delay(None, "a")) == ["NoneType", "a"]


def test_hints_and_signature_are_those_of_the_function(make):
    task = make(total)

    assert typing.get_type_hints(task) == typing.get_type_hints(total)
    assert typing.get_type_hints(task.run) == typing.get_type_hints(total)
    assert inspect.signature(task.run) == inspect.signature(total)


def test_hints_that_nobody_can_read_leave_a_dict(make):
    def work(order: Order, message: Message) -> Any:
        return [type(order).__name__, message]

    assert value_of(make(work).delay({"id": 1}, "text")) == ["dict", "text"]


def test_a_model_of_a_function_is_not_found_by_its_name(make):
    class Local(BaseModel):
        id: int

    def work(order: Local) -> Any:
        return type(order).__name__

    assert value_of(make(work).delay({"id": 1})) == "dict"


def priced(item: Priced) -> Priced:
    return item


def test_a_validator_has_the_context_of_its_task(make):
    task = make(priced, pydantic_context={"factor": 100})

    assert value_of(task.delay({"price": 2})) == {"price": 200}


def test_a_strict_task_takes_what_fits(make):
    task = make(total, pydantic_strict=True)

    assert value_of(task.delay({"id": 1})) == {"sum": 1}


def test_a_model_is_dumped_as_its_task_says(make):
    task = make(total, pydantic_dump_kwargs={"exclude": {"sum"}})

    assert value_of(task.delay({"id": 1})) == {}


@pytest.mark.parametrize("guarded", ["below", "above", "class"])
def test_a_model_and_its_fields_are_one_key(worker_app, guarded):
    def make(function: Any, **base: Any) -> Any:
        return worker_app.task(
            pydantic=True, pydantic_context={"factor": 1}, name=guarded, **base
        )(function)

    task = FORMS[guarded](make, anew(total))
    task.delay  # a lazy task is made

    assert key_of(task, {"id": 1}) == key_of(task, Order(id=1, note=""))
    assert key_of(task, {"id": 1}) != key_of(task, {"id": 2})


@pytest.mark.parametrize("guarded", ["below", "above", "class"])
def test_a_key_is_made_as_strictly_as_the_arguments_are_validated(worker_app, guarded):
    def make(function: Any, **base: Any) -> Any:
        return worker_app.task(pydantic=True, pydantic_strict=True, **base)(function)

    task = FORMS[guarded](make, anew(total))

    with pytest.raises((ValueError, TypeError), match="valid integer"):
        task.delay  # a lazy task is made
        key_of(task, {"id": "1"})


def test_what_does_not_fit_a_task_of_the_class_form_is_the_body_s_error(app):
    def work(order: Order) -> Order:
        return order

    task = app.task(base=UniqueCeleryTask, pydantic=True)(work)

    with pytest.raises(TypeError, match="missing"):
        task.apply().get()
