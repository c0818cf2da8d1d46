import collections
import dataclasses
import datetime
import enum
import json
import pickle
import string
import types
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pydantic
import pydantic.dataclasses
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kombu.serialization import dumps, loads
from kombu.utils import json as kombu_json

from unique_task.keys.encoding import UnsupportedTypeError, encode

UTC = datetime.timezone.utc
DAY = datetime.date(2024, 2, 29)
MIDNIGHT = datetime.datetime(2024, 2, 29)
ID = UUID("12345678-1234-5678-1234-567812345678")


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    CRIMSON = 1


class Light(enum.Enum):
    RED = 1


class Size(str, enum.Enum):
    SMALL = "s"


class Level(enum.IntEnum):
    LOW = 1


class Ratio(float, enum.Enum):
    HALF = 0.5


class Point(NamedTuple):
    x: int
    y: int


class Text(str):
    """A text that prints as another one, as marked-up texts do."""

    def __str__(self) -> str:
        return "printed"


@dataclasses.dataclass(frozen=True)
class Order:
    id: int
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Invoice:
    id: int
    tags: tuple[str, ...] = ()


class Customer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    id: int
    name: str = ""


class Names(pydantic.RootModel[list[str]]):
    def __iter__(self) -> Any:  # as pydantic's documentation advises
        return iter(self.root)


@pydantic.dataclasses.dataclass
class Address:
    city: str


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __json__(self) -> Any:
        return {"cents": self.cents}

    def __repr__(self) -> str:
        return f"Money({self.cents})"


class Currency(enum.Enum):
    EURO = "eur"

    def __json__(self) -> str:
        return str(self.value)


class Month(datetime.date):
    def __json__(self) -> str:
        return f"{self:%Y-%m}"


class Cents(Decimal):
    def __json__(self) -> int:
        return int(self * 100)


DIFFERENT: list[Any] = [
    *(None, "None", "null", "", "n;"),
    *(1, "1", True, 1.0, b"1", Decimal(1), "True", "true", "1.0", -1, "0x1"),
    *(0, False, 0.0, "0", b"", "False"),
    *(float("nan"), "nan", float("inf"), float("-inf"), Decimal("NaN")),
    *(("a&b",), ("a", "b"), "a&b", ["a", ["b"]], [["a"], "b"], ["ab"], ["", "ab"]),
    *([], {}, set(), [[]], [None], [{}], [set()], [[], []], [[[]]]),
    *({"a": 1}, {"a": "1"}, {"a": None}, ["a", 1], [["a", 1]], {"a": {"a": 1}}),
    *({"a", "b"}, {"a": "b"}, {("a", "b")}, {"ab"}),
    *(DAY, MIDNIGHT, MIDNIGHT.replace(tzinfo=UTC), MIDNIGHT.time(), "2024-02-29"),
    *(datetime.timedelta(1), datetime.timedelta(seconds=1), datetime.timedelta(0)),
    *(datetime.timedelta(microseconds=1), 0.1 + 0.2, 0.3),
    *(ID, str(ID), ID.hex, ID.bytes, ID.int),
    *(Color.RED, Color.GREEN, Light.RED, "RED", "Color.RED"),
    *(Order(1), Order(2), Order(1, ("a",)), Invoice(1), {"id": 1, "tags": []}),
    *(Customer(id=1), Customer(id=2), Customer(id=1, name="x")),
    *(Customer.model_validate({"id": 1, "since": n}) for n in (2001, 2002)),
]


def test_different_values_are_written_differently():
    written = collections.Counter(map(encode, DIFFERENT))

    assert [data for data, times in written.items() if times > 1] == []


@pytest.mark.parametrize(
    "value, same",
    [
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        ({"a": [(1,)]}, {"a": [[1]]}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2}),
        (collections.defaultdict(int, a=1), {"a": 1}),
        ({8, 0}, {0, 8}),  # two sets that are walked in two orders
        (frozenset("ab"), set("ba")),
        ({(1, 2)}, {Point(1, 2)}),
        (bytearray(b"a"), b"a"),
        (Text("a"), "a"),
        (Size.SMALL, "s"),
        (Level.LOW, 1),
        (Ratio.HALF, 0.5),
        (Color.CRIMSON, Color.RED),
        (Order(1, ("a",)), Order(1, ("a",))),
        (Customer(id=1), Customer(id=1, name="")),
        (Address("Rome"), Address(city="Rome")),
        (Money(5), {"cents": 5}),
        ([Money(5)], [{"cents": 5}]),
        (-float("nan"), float("nan")),
    ],
    # A set is shown in another order by each process.
    ids=lambda value: type(value).__name__,
)
def test_equal_values_are_written_alike(value, same):
    assert encode(value) == encode(same)


@pytest.mark.parametrize("value", [Currency.EURO, Month(2024, 2, 1), Cents("1.50")])
def test_a_value_with_a_json_form_is_written_as_the_worker_will_read_it(value):
    assert encode(value) == encode(kombu_json.loads(kombu_json.dumps(value)))


@pytest.mark.parametrize("key", [1, -1, 1.5, float("inf"), True, None, Size.SMALL])
def test_a_key_of_a_dict_is_written_as_json_spells_it(key):
    (spelling,) = json.loads(json.dumps({key: 0}))

    assert encode({key: 0}) == encode({spelling: 0})


def test_of_two_keys_with_one_spelling_the_last_wins_as_in_json():
    assert encode({1: "a", "1": "b"}) == encode({"1": "b"})


def test_the_parts_of_a_pydantic_model_are_its_fields_however_it_is_walked():
    assert encode(Names(["ab", "ac"])) != encode(Names(["ac"]))
    assert encode(Names(["a"])) == encode(Names(["a"]))


def test_pydantic_dataclasses_with_different_fields_differ():
    assert encode(Address("Rome")) != encode(Address("Oslo"))


def test_a_lone_surrogate_can_be_part_of_a_text():
    assert encode("\ud800") != encode("\ud801")


def test_a_surrogate_pair_is_the_character_that_json_makes_of_it():
    assert encode("\ud83d\ude00") == encode(json.loads(json.dumps("\ud83d\ude00")))


def test_an_integer_may_have_more_digits_than_python_prints():
    assert encode(10**5000) != encode(10**5000 + 1)


@pytest.mark.parametrize(
    "value, name",
    [
        (object(), "object"),
        ((n for n in "ab"), "generator"),
        (len, "builtin_function_or_method"),
        (Order, "type"),
        (types.MappingProxyType({}), "mappingproxy"),
        (memoryview(b""), "memoryview"),
        (collections.deque(), "deque"),
        (1j, "complex"),
    ],
)
@pytest.mark.parametrize("place", [lambda v: v, lambda v: {"a": [v]}])
def test_a_type_without_canonical_form_is_an_error_that_names_it(value, name, place):
    with pytest.raises(UnsupportedTypeError, match=f"^{name} has no canonical form$"):
        encode(place(value))


# What follows searches for values that break the rules above.

search = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# Texts of the characters that the encoding itself is made of, and some that are hard.
texts = st.text("ls12;:d&\x00é\U0001f600\ud800", max_size=4) | st.sampled_from(
    ["None", "null", "nan", "true", "1.0", "s1;a", "i1;", "l1;i1;"]
)
zones = st.sampled_from(
    [None, UTC, datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))]
)
hashable_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.integers()
    | st.sampled_from([0.0, -0.0, 1.0, 2.0])
    | st.floats()
    | texts
    | st.binary(max_size=3)
    | st.dates()
    | st.times()
    | st.datetimes(timezones=zones)
    | st.decimals(allow_nan=False)
    | st.uuids()
)
scalars = hashable_scalars | st.decimals()
json_keys = texts | st.integers(-1, 2) | st.floats() | st.booleans() | st.none()
json_data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(json_keys, inner, max_size=3),
    max_leaves=5,
)
hashables = st.recursive(
    hashable_scalars | st.timedeltas() | st.sampled_from([*Color, *Size, *Level]),
    lambda inner: st.lists(inner, max_size=2).map(tuple)
    | st.frozensets(inner, max_size=3)
    | st.builds(Order, st.integers(0, 2), st.tuples(texts))
    | st.builds(Point, inner, inner),
    max_leaves=4,
)
pickle_data = st.recursive(
    hashables,
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(hashables, inner, max_size=2)
    | st.builds(Customer, id=st.integers(0, 2), name=st.just("x"))
    | st.binary(max_size=2).map(bytearray),
    max_leaves=4,
)


def through(serializer: str, value: Any) -> Any:
    """Return `value` as a worker gets it."""
    content_type, encoding, payload = dumps(value, serializer)
    return loads(payload, content_type, encoding, accept={content_type})


def spelled(value: Any) -> str:
    """Write what came out of JSON with its types: `1`, `1.0`, `True` and `"1"` differ.

    Knows nothing of the encoding: whether two values are equal is Python's word.
    """
    if isinstance(value, dict):
        items = sorted(f"{name!r}: {spelled(item)}" for name, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    return repr(value)


@search
@given(st.lists(json_data, min_size=2, max_size=12))
@example([1, True, 1.0, "1", {1: 2}, {"1": 2}, {True: 2}, {"1": 2.0}])
def test_values_share_their_bytes_if_and_only_if_a_worker_reads_them_as_equal(values):
    pairs = {(encode(value), spelled(through("json", value))) for value in values}

    assert len({data for data, _ in pairs}) == len(pairs)
    assert len({spelling for _, spelling in pairs}) == len(pairs)


@search
@given(json_data)
def test_a_value_has_the_same_bytes_before_and_after_json(value):
    assert encode(value) == encode(through("json", value))


@search
@given(pickle_data)
@example({Size.SMALL, "t"})
def test_a_value_has_the_same_bytes_before_and_after_pickle(value):
    assert encode(value) == encode(through("pickle", value))


@search
@given(pickle_data, pickle_data)
def test_no_bytes_are_the_beginning_of_another_values_bytes(value, other):
    short, long = sorted([encode(value), encode(other)], key=len)

    assert short == long or not long.startswith(short)


@search
@given(st.sets(st.text(string.ascii_letters, max_size=2), min_size=2), st.randoms())
def test_the_order_of_a_dict_and_of_a_set_does_not_matter(names, random):
    shuffled = sorted(names)
    random.shuffle(shuffled)

    assert encode(dict.fromkeys(shuffled)) == encode(dict.fromkeys(names))
    assert encode(set(shuffled)) == encode(names)


def test_the_models_of_these_tests_survive_pickle():
    values = [Order(1), Customer(id=1), Color.RED, Point(1, 2)]

    assert pickle.loads(pickle.dumps(values)) == values
