import inspect
import typing
from typing import Any, Optional, Union

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unique_task.keys.arguments import Misfit, Parameters, models_in


class Order(pydantic.BaseModel):
    id: int
    note: str = ""


class Refund(pydantic.BaseModel):
    amount: int


def plain(a, b=2): ...
def required(a, b): ...


def keyword_only(a, *, b=2): ...
def positional_only(a, b=2, /, c=3): ...
def variadic(a, *rest, b=2, **more): ...
def nothing(): ...


def bound(parameters: Parameters, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the values that a call gives to the parameters, by name."""
    return dict(zip(parameters.names, parameters.bind(args, kwargs), strict=True))


FUNCTIONS = [plain, required, keyword_only, positional_only, variadic, nothing]


@pytest.mark.parametrize(
    "args, kwargs",
    [((1, 2), {}), ((1,), {"b": 2}), ((), {"b": 2, "a": 1}), ((1,), {})],
)
def test_each_spelling_of_a_call_binds_to_the_same_values(args, kwargs):
    assert bound(Parameters(plain), args, kwargs) == {"a": 1, "b": 2}


def test_what_a_variadic_task_gets_is_bound_whole():
    values = bound(Parameters(variadic), (1, 2, 3), {"b": 4, "c": 5})

    assert values == {"a": 1, "rest": (2, 3), "b": 4, "more": {"c": 5}}


def test_a_variadic_task_that_gets_no_more_has_it_empty():
    values = bound(Parameters(variadic), (1,), {})

    assert values == {"a": 1, "rest": (), "b": 2, "more": {}}


def test_a_bound_task_is_no_argument_of_itself():
    parameters = Parameters(plain, bound=True)

    assert parameters.names == ("b",)
    assert bound(parameters, (), {}) == {"b": 2}


@pytest.mark.parametrize(
    "args, kwargs",
    [
        ((), {}),
        ((), {"b": 1}),
        ((1, 2, 3), {}),
        ((1,), {"a": 1}),
        ((1, 2), {"b": 2}),
        ((1,), {"c": 3}),
        ((), {"a": 1, "c": 3}),
    ],
)
def test_arguments_that_do_not_fit_fail_as_the_call_does(args, kwargs):
    with pytest.raises(TypeError) as expected:
        inspect.signature(plain).bind(*args, **kwargs)

    with pytest.raises(TypeError) as error:
        Parameters(plain).bind(args, kwargs)

    assert str(error.value) == str(expected.value)


def outcome(bind: Any) -> Any:
    try:
        return dict(bind())
    except TypeError as error:
        return str(error)


def bind_slowly(function: Any, args: Any, kwargs: Any) -> Any:
    call = inspect.signature(function).bind(*args, **kwargs)
    call.apply_defaults()
    return call.arguments


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.sampled_from(FUNCTIONS),
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4),
)
def test_any_call_binds_as_python_binds_it(function, args, kwargs):
    values = outcome(lambda: bound(Parameters(function), args, kwargs))

    assert values == outcome(lambda: bind_slowly(function, args, kwargs))


@pytest.mark.parametrize("function", [plain, keyword_only, positional_only, variadic])
def test_bound_values_become_the_same_call_again(function):
    parameters = Parameters(function)
    values = parameters.bind((1,), {})

    args, kwargs = parameters.as_called(values)

    assert parameters.bind(args, kwargs) == values


def with_models(
    order: Order, refund: Optional[Refund] = None, n: int = 0
) -> typing.Any: ...


def test_a_mapping_is_validated_where_the_task_takes_a_model():
    parameters = Parameters(
        with_models, models=models_in(typing.get_type_hints(with_models))
    )

    values = bound(parameters, ({"id": 1}, {"amount": "2"}), {})

    assert values == {"order": Order(id=1), "refund": Refund(amount=2), "n": 0}


def test_the_arguments_of_the_message_stay_as_they_are():
    parameters = Parameters(
        with_models, models=models_in(typing.get_type_hints(with_models))
    )
    args = [{"id": 1}, None, 0]

    values = bound(parameters, args, {})

    assert values["order"] == Order(id=1)
    assert args == [{"id": 1}, None, 0]


def test_a_model_and_a_none_stay_as_they_are():
    parameters = Parameters(
        with_models, models=models_in(typing.get_type_hints(with_models))
    )
    order = Order(id=1)

    values = bound(parameters, (order, None), {})

    assert values["order"] is order
    assert values["refund"] is None


def test_an_argument_that_its_model_does_not_take_is_an_error():
    parameters = Parameters(
        with_models, models=models_in(typing.get_type_hints(with_models))
    )

    with pytest.raises(Misfit, match="id"):
        parameters.bind(({"id": "x"},), {})


def unresolvable(order: Order, other: "Missing") -> None: ...  # type: ignore # noqa


def returning(order: int) -> Order: ...  # type: ignore[empty-body]


def with_new_union(order: "Order | None") -> None: ...


@pytest.mark.parametrize(
    "function, models",
    [
        (with_models, {"order": Order, "refund": Refund}),
        (with_new_union, {"order": Order}),
        (returning, {}),
        (plain, {}),
    ],
)
def test_models_are_found_by_the_annotations(function, models):
    assert models_in(typing.get_type_hints(function)) == models


def with_mapping(order: dict[str, Order]) -> None: ...
def with_choice(order: Union[Order, Refund]) -> None: ...


@pytest.mark.parametrize("function", [with_mapping, with_choice])
@pytest.mark.parametrize("value", [{"id": "1"}, {"first": {"id": "1"}}])
def test_what_celery_does_not_validate_is_not_validated(function, value):
    parameters = Parameters(function, models=models_in(typing.get_type_hints(function)))

    assert bound(parameters, (value,), {}) == {"order": value}


def test_a_name_that_only_type_checkers_know_is_no_obstacle():
    assert Parameters(unresolvable).names == ("order", "other")
    assert models_in(unresolvable.__annotations__) == {"order": Order}
