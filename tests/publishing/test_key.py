"""At publish, code that makes keys sees what it would see in the worker."""

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from kombu.serialization import dumps, loads

from tests.published_calls import is_duplicate, task_of
from unique_task import UniqueCeleryTask, unique
from unique_task.messages import sent_arguments

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def seen():
    return []


@pytest.fixture
def work(app, seen):
    """A task whose key callable notes the arguments."""

    def key(item, note):
        seen.append(item)
        return repr(item)

    return task_of(app, unique(lock="until_executed", key=key))


VALUES = {
    "tuple": (1, (2, 3)),
    "dict with numbers as keys": {1: "a"},
    "nested": {"a": [(1,), {"b": (2,)}]},
    "date": date(2026, 11, 22),
    "datetime": datetime(2026, 11, 22, tzinfo=timezone.utc),
    "decimal": Decimal("1.50"),
    "uuid": UUID(int=5),
    "bytes": b"\x00\xff",
    "text": "\u00fcber",
    "none": None,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_key_callable_sees_what_the_serializer_makes_of_the_arguments(
    work, seen, value
):
    kind, encoding, data = dumps(value, "json")

    work.delay(value)

    assert repr(seen) == repr([loads(data, kind, encoding)])


def test_what_is_equal_for_the_worker_is_a_duplicate(work):
    first = work.delay((1, 2))

    assert is_duplicate(work.delay([1, 2]), of=first)


@pytest.mark.parametrize("how", ["call", "task", "app"])
def test_the_serializer_is_that_of_the_message(app, seen, how):
    options = {"serializer": "pickle"} if how == "task" else {}
    if how == "app":
        app.conf.task_serializer = "pickle"
    guard = unique(lock="until_executed", key=lambda item, note: seen.append(item) or 1)

    task = task_of(app, guard, **options)
    task.apply_async(((1, 2),), **({"serializer": "pickle"} if how == "call" else {}))

    assert seen == [(1, 2)]


def test_it_gets_a_value_of_its_own(work, seen):
    items = [1]

    work.delay(items)

    assert seen[0] == items and seen[0] is not items


def test_generate_lock_id_sees_the_same(app, seen):
    class Mine(UniqueCeleryTask):
        abstract = True
        unique_options = {"lock": "until_executed"}

        def generate_lock_id(self, item, note):
            seen.append(item)
            return "one"

    task_of(app, lambda function: function, base=Mine).delay((1, 2))

    assert seen == [[1, 2]]


@pytest.mark.parametrize("key", [None, "{item}", ["item"]], ids=str)
def test_other_keys_need_no_serializer(app, monkeypatch, key):
    monkeypatch.setattr(sent_arguments, "dumps", json.loads)
    work = task_of(app, unique(lock="until_executed", key=key))
    first = work.delay((1, 2))

    assert is_duplicate(work.delay([1, 2]), of=first)


def test_a_key_is_made_once_for_each_publish(work, seen):
    work.delay(1)
    work.delay(1)

    assert len(seen) == 2
