import dataclasses
import datetime
import enum
import functools
import os
import re
import typing
from collections.abc import Callable
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple
from uuid import UUID

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu.utils import json

from tests.programs import run_python
from unique_task import ConfigurationError, UniqueKeyError
from unique_task.keys.arguments import Parameters, models_in
from unique_task.keys.digest import FORMAT, digest_of, digest_of_run
from unique_task.keys.key_option import KeyOption, key_from_option


def keyed(
    function: Callable[..., Any],
    option: KeyOption = None,
    *,
    namespace: str = "shop.task",
    bound: bool = False,
    models: Any = None,
) -> Callable[..., str]:
    """Return what tells the key of a call: `f = keyed(task); f(1) == f(a=1)`."""
    key = key_from_option(option, Parameters(function, bound=bound, models=models))
    return lambda *args, **kwargs: key.digest(namespace, args, kwargs)


def pair(a, b=2): ...
def single(a): ...
def variadic(*args, **kwargs): ...
def bound_pair(self, a, b=2): ...


# The call


def test_each_spelling_of_a_call_has_one_key():
    f = keyed(pair)

    assert f(1, 2) == f(1, b=2) == f(b=2, a=1) == f(1) == f(a=1)


def test_other_arguments_have_another_key():
    f = keyed(pair)

    assert len({f(1, 2), f(2, 1), f(1, 3), f(2, 2)}) == 4


def test_positional_and_named_arguments_of_a_variadic_task_are_told_apart():
    f = keyed(variadic)

    calls = {f(), f(1), f(1, 2), f((1, 2)), f(a=1), f({"a": 1}), f(1, a=1)}
    assert len(calls) == 7


def test_the_task_itself_is_no_part_of_the_key():
    f = keyed(bound_pair, bound=True)

    assert f(1, 2) == f(1, b=2) == keyed(pair)(1, 2)


def test_arguments_that_do_not_fit_fail_as_the_call_does():
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        keyed(pair)()


# The values


def test_values_of_different_types_differ():
    f = keyed(single)

    values = [1, "1", True, 1.0, None, "None", ("a&b",), ("a", "b")]
    assert len({f(value) for value in values}) == len(values)


class Point(NamedTuple):
    x: int
    y: int


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Size(str, enum.Enum):
    SMALL = "s"


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    "value, same",
    [
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: "a"}, {"1": "a"}),
        ({None: "a", True: "b"}, {"null": "a", "true": "b"}),
        (Size.SMALL, "s"),
        (Level.LOW, 1),
        ({3, 1, 2}, {2, 3, 1}),
    ],
)
def test_what_a_serializer_makes_equal_is_equal(value, same):
    f = keyed(single)

    assert f(value) == f(same)


@dataclasses.dataclass
class Address:
    city: str


class Customer(pydantic.BaseModel):
    id: int


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __json__(self) -> int:
        return self.cents


@pytest.mark.parametrize(
    "make, one, other",
    [
        (datetime.date.fromisoformat, "2024-01-01", "2024-01-02"),
        (datetime.datetime.fromisoformat, "2024-01-01T00:00", "2024-01-01T00:00+00:00"),
        (datetime.time.fromisoformat, "12:00", "12:00:00.000001"),
        (datetime.timedelta, 1, 2),
        (Decimal, "1.1", "1.2"),
        (UUID, "0" * 32, "f" * 32),
        (bytes, b"a", b"b"),
        (set, "ab", "abc"),
        (Color, 1, 2),
        (Address, "Rome", "Oslo"),
        (lambda number: Customer(id=number), 1, 2),
        (Money, 1, 2),
    ],
)
def test_values_of_supported_types_are_told_apart_by_their_content(make, one, other):
    f = keyed(single)

    assert f(make(one)) == f(make(one)) != f(make(other))


def validated(order: Customer, note: str = "") -> None: ...


def test_a_validated_argument_has_the_key_of_its_model():
    f = keyed(validated, models=models_in(typing.get_type_hints(validated)))

    assert f({"id": 1}) == f({"id": "1"}) == f(Customer(id=1)) != f({"id": 2})


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("option", [None, "{b}", ["b"], "{a}-{b}", ["a", "b"]])
@pytest.mark.parametrize(
    "value", [object(), [object()], {"c": object()}, endless(), deep(100_000)], ids=type
)
def test_a_value_that_cannot_be_written_is_an_error_that_names_its_parameter(
    option, value
):
    f = keyed(pair, option)

    with pytest.raises(UniqueKeyError, match=r"parameter 'b'.*pass key="):
        f(1, value)


def test_an_error_names_the_parameter_of_the_key_and_no_other():
    f = keyed(pair, "{b}")

    with pytest.raises(UniqueKeyError, match="parameter 'b'"):
        f(object(), object())


def test_a_parameter_outside_of_the_key_may_be_anything():
    f = keyed(pair, "{a}")

    assert f(1, object()) == f(1, object())


# The option


def test_a_template_takes_the_parameters_that_it_names():
    f = keyed(pair, "order:{a}")

    assert f(1, 2) == f(1, 3) != f(2, 2)


def test_the_fields_of_a_template_do_not_run_into_each_other():
    f = keyed(pair, "{a}{b}")

    assert f("x", "yz") != f("xy", "z")
    assert f(1, 23) != f(12, 3)


def test_the_fields_of_a_template_keep_their_types():
    f = keyed(pair, "order:{a}")

    assert len({f(1), f("1"), f(1.0), f(True)}) == 4


def test_a_field_cannot_pretend_to_be_the_text_around_it():
    f = keyed(pair, "{a}:{b}")

    assert f("x:y", "z") != f("x", "y:z")


def test_doubled_braces_in_a_template_are_text():
    f = keyed(pair, "{{a}}{b}")

    assert f(1, 3) == f(2, 3) != f(1, 4)


def test_names_take_these_parameters():
    f = keyed(pair, ["a"])
    both = keyed(pair, ["a", "b"])

    assert f(1, 2) == f(1, 3) != f(2, 2)
    assert both(1, 2) != both(1, 3)


@pytest.mark.parametrize("names", [("a", "b"), {"a", "b"}, frozenset("ab")])
def test_names_may_come_in_any_collection(names):
    assert keyed(pair, names)(1, 3) == keyed(pair, ["a", "b"])(1, 3)


@pytest.mark.parametrize("option", ["nightly", "", (), []])
def test_a_key_without_parameters_is_one_lock_for_the_task(option):
    f = keyed(pair, option)

    assert f(1, 2) == f(3, 4)


def test_constant_keys_differ_by_their_text():
    assert keyed(pair, "nightly")(1) != keyed(pair, "hourly")(1)


def test_a_callable_tells_the_key():
    f = keyed(pair, lambda a, b: a % 10)

    assert f(1, 2) == f(11, 3) != f(2, 2)


def test_a_callable_gets_the_arguments_as_the_task_would():
    def task(a, /, b, *rest, c, d=4, **more): ...

    def key(*args, **kwargs):
        seen.append((args, kwargs))
        return "key"

    seen: list[Any] = []

    keyed(task, key)(1, 2, 3, c=4, e=5)

    assert seen == [((1, 2, 3), {"c": 4, "d": 4, "e": 5})]


def test_a_callable_gets_the_defaults_that_the_caller_left_out():
    f = keyed(pair, lambda a, b: [a, b])

    assert f(1) == f(1, 2) != f(1, 3)


def test_a_callable_never_sees_the_task():
    f = keyed(bound_pair, lambda a, b: [a, b], bound=True)

    assert f(1, 2) == f(b=2, a=1) != f(2, 2)


def test_a_callable_may_name_the_parameters_otherwise():
    assert keyed(pair, lambda x, y: x)(1, b=5) == keyed(pair, "{a}")(1)


@pytest.mark.parametrize(
    "function", [str, functools.partial(max, 0), Customer.model_validate]
)
def test_a_builtin_a_class_and_a_method_are_callables_too(function):
    f = keyed(single, function)
    value = {"id": 1} if function == Customer.model_validate else 7

    assert f(value) == f(value)


def test_a_callable_sees_validated_models():
    f = keyed(
        validated,
        lambda order, note: order.id,
        models=models_in(typing.get_type_hints(validated)),
    )

    assert f({"id": "1"}) == f(Customer(id=1))


def test_a_callable_that_raises_is_an_error_with_its_cause():
    f = keyed(pair, lambda a, b: a["id"])

    with pytest.raises(UniqueKeyError, match=r"key callable .*KeyError\('id'\)") as e:
        f({})

    assert isinstance(e.value.__cause__, KeyError)


def test_a_callable_that_returns_none_is_an_error():
    f = keyed(pair, lambda a, b: None)

    with pytest.raises(UniqueKeyError, match="returned None.*a string or plain data"):
        f(1)


@pytest.mark.parametrize(
    "value, kind",
    [
        (object(), "object"),
        ((n for n in "ab"), "generator"),
        ({"a": object()}, "object"),
        (len, "builtin_function_or_method"),
    ],
)
def test_a_callable_that_returns_no_plain_data_is_told_so(value, kind):
    f = keyed(pair, lambda a, b: value)

    with pytest.raises(UniqueKeyError, match=f"{kind} has no canonical form") as error:
        f(1)

    assert "parameter" not in str(error.value)


@pytest.mark.parametrize(
    "option", [lambda: 1, lambda a: a, lambda a, b, c: a, lambda a, *, b: a, Money]
)
def test_a_callable_that_cannot_be_called_as_the_task_fails_at_once(option):
    with pytest.raises(ConfigurationError, match="called as the task is, with a, b"):
        keyed(pair, option)


def test_the_name_of_a_parameter_is_no_template():
    with pytest.raises(ConfigurationError, match=re.escape('say key="{a}"')):
        keyed(pair, "a")


@pytest.mark.parametrize(
    "option", ["{c}", "order:{a}{c}", ["c"], ("a", "c"), {"c"}, "{self}"]
)
def test_a_name_that_is_no_parameter_is_an_error_that_lists_them(option):
    with pytest.raises(ConfigurationError) as error:
        keyed(bound_pair, option, bound=True)

    assert str(error.value).startswith(f"key={option!r}: ")
    assert str(error.value).endswith("is no parameter of the task; it has: a, b")


@pytest.mark.parametrize(
    "option", ["{}", "{0}", "{a.id}", "{a[0]}", "{a!r}", "{a:>3}", "{a:{b}}", "{a b}"]
)
def test_a_field_of_a_template_is_a_bare_name(option):
    with pytest.raises(ConfigurationError, match=r"must be a bare \{name\}") as error:
        keyed(pair, option)

    assert str(error.value).startswith(f"key={option!r}: ")


@pytest.mark.parametrize("option", ["{a", "a}", "{a}}"])
def test_a_broken_template_is_an_error(option):
    with pytest.raises(ConfigurationError, match="is no template"):
        keyed(pair, option)


@pytest.mark.parametrize(
    "option", [3, 1.5, True, b"{a}", [1], ["a", None], {"a": 1}, iter("ab"), [["a"]]]
)
def test_what_is_no_key_is_an_error_that_lists_what_is_one(option):
    with pytest.raises(ConfigurationError) as error:
        keyed(pair, option)

    assert str(error.value) == (
        f"key={option!r} is not a key: allowed are a callable, a template such as "
        '"order:{order_id}", a list of parameter names, or None for all parameters'
    )


# The digest


def test_a_namespace_separates_tasks_and_joins_them():
    f, g = keyed(pair, namespace="shop.f"), keyed(pair, namespace="shop.g")
    joined = keyed(pair, namespace="shop.f")

    assert f(1) != g(1)
    assert f(1) == joined(1)


def test_a_namespace_does_not_run_into_the_value():
    assert digest_of("ab", "c") != digest_of("a", "bc")


@pytest.mark.parametrize("value", ["", "c0ffee" * 20, "jane@example.com", 10**60])
def test_a_key_is_128_bits_in_which_no_argument_can_be_read(value):
    assert re.fullmatch("[0-9a-f]{32}", keyed(single)(value))


def unsorted(note, b, aa, a=None): ...


@pytest.mark.parametrize(
    "option, value",
    [
        (None, lambda note, b, aa, a: {"a": a, "aa": aa, "b": b, "note": note}),
        ("{aa}", lambda note, b, aa, a: aa),
        (["b", "aa"], lambda note, b, aa, a: [b, aa]),
        ("x{b}%{aa}!", lambda note, b, aa, a: [("x", [b]), ("%", [aa]), ("!", None)]),
        ("50 %", lambda note, b, aa, a: "50 %"),
        ((), lambda note, b, aa, a: []),
    ],
)
def test_each_form_of_key_has_the_digest_of_the_value_that_it_stands_for(option, value):
    arguments = ("n", 2, [b"%b", {"k": None}], 1.5)

    assert keyed(unsorted, option)(*arguments) == digest_of(
        "shop.task", value(*arguments)
    )


def test_a_task_without_parameters_has_the_key_of_an_empty_dict():
    assert keyed(lambda: None)() == digest_of("shop.task", {})


def test_the_keys_of_this_format_never_change():
    # Another key for the same call would free live locks in a rolling deploy. Whoever
    # has to change this digest has to change the number of the format too.
    value = {"a": [1, "1", None, True, 0.5, b"b"], "d": datetime.date(2024, 1, 2)}

    assert (FORMAT, digest_of("shop.task", value)) == (
        1,
        "25f75b16027b86169f118e5ec458ff3c",
    )


PRINT_KEYS = """
import enum
from unique_task.keys.arguments import Parameters
from unique_task.keys.digest import digest_of
from unique_task.keys.key_option import key_from_option

words = "one two three four five six seven eight nine ten".split()
assert list(set(words)) != words  # the order of a set depends on the seed
print(digest_of("shop.task", {"set": set(words), "inner": [frozenset(words), {1, 2}]}))
parameters = Parameters(lambda **words: None)
everything = key_from_option(None, parameters)
print(everything.digest("shop.task", (), dict.fromkeys(set(words))))
parameters = Parameters(lambda tenant, order, item: None)
named = key_from_option({"tenant", "order", "item"}, parameters)
print(named.digest("shop.task", (1, 2, 3), {}))
"""


def test_a_call_has_the_same_key_in_every_process():
    printed = [
        run_python(
            PRINT_KEYS, env={**os.environ, "PYTHONHASHSEED": seed}, check=True
        ).stdout
        for seed in ("1", "2")
    ]

    assert len(printed[0].split()) == 3
    assert printed[0] == printed[1]


# What follows searches for two calls with one key, and for one call with two.

search = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

values = (
    st.none()
    | st.booleans()
    | st.integers(-1, 3)
    | st.sampled_from([0.0, 1.0, 2.0])
    | st.text("ab12,;:{}", max_size=3)
)
data = (
    values
    | st.lists(values, max_size=2)
    | st.lists(values, max_size=2).map(tuple)
    | st.dictionaries(values, values, max_size=1)
)
calls = st.tuples(
    st.lists(data, max_size=2), st.dictionaries(st.sampled_from("ab"), data, max_size=2)
)


def meaning(*parts: Any) -> str:
    """Write what a worker gets, with types: `1`, `1.0` and `True` differ.

    It takes dicts of one item only, so that their order says nothing.
    """
    return repr(json.loads(json.dumps(parts)))


def assert_one_key_each(pairs: list[tuple[str, str]]) -> None:
    for (key, meant), (other_key, other_meant) in combinations(pairs, 2):
        assert (key == other_key) is (meant == other_meant), (meant, other_meant)


@search
@given(st.lists(calls, min_size=2, max_size=6))
def test_calls_share_a_key_if_and_only_if_they_are_equal(many):
    f = keyed(variadic)

    assert_one_key_each(
        [(f(*args, **kw), meaning(args, sorted(kw.items()))) for args, kw in many]
    )


@pytest.mark.parametrize(
    "option",
    [None, "{a}{b}", "{b}:{a}", "a{a}b{b}", ["b", "a"], lambda a, b: (b, a)],
    ids=lambda option: option if isinstance(option, str) else type(option).__name__,
)
@search
@given(st.lists(st.tuples(data, data), min_size=2, max_size=6))
def test_every_form_of_key_tells_all_values_of_its_parameters_apart(option, many):
    f = keyed(pair, option)

    assert_one_key_each([(f(a, b), meaning(a, b)) for a, b in many])


def several(a, b, c=None, *, d=0): ...


@search
@given(st.lists(data, min_size=4, max_size=4), st.integers(0, 3), st.randoms())
def test_a_call_has_one_key_however_it_is_spelled(arguments, positional, random):
    f = keyed(several)
    named = list(zip("abcd", arguments))[positional:]
    random.shuffle(named)

    spelled = f(*arguments[:positional], **dict(named))

    assert spelled == f(*arguments[:3], d=arguments[3])


@search
@given(data, data)
def test_a_call_has_one_key_before_and_after_the_broker(a, b):
    f = keyed(pair)

    args, kwargs = json.loads(json.dumps([[a], {"b": b}]))

    assert f(*args, **kwargs) == f(a, b)


@pytest.mark.parametrize("owner", ["b3a1c1e2-7d0f-4a51-9d2e-2f6f1f0a7c11", "own/1", ""])
def test_the_key_of_a_run_is_what_other_versions_make_of_it(owner):
    key = digest_of("task", 1)

    assert digest_of_run(key, owner) == digest_of(key, owner)
