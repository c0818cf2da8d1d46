import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery

from unique_task import ConfigurationError, MemoryBackend, retry, unique
from unique_task.options.lock_types import LOCK_TYPES, lock_type
from unique_task.options.task_options import Options

POLICIES = "'ignore', 'skip', 'cached', 'retry', 'raise'"


def charge(order_id, note=""): ...


@pytest.mark.parametrize(
    "option, value, allowed",
    [
        *(
            ("expire", value, "a number of seconds or a timedelta, ")
            for value in (0, -1, "60", math.inf, math.nan, True, timedelta(-1))
        ),
        ("on_duplicate", "drop", POLICIES),
        ("on_duplicate", 3, POLICIES),
        ("on_duplicate", ["retry"], POLICIES),
        ("on_duplicate", {}, '"publish" and "run"'),
        ("on_duplicate", {"start": "ignore"}, '"publish" and "run"'),
        ("lock", "forever", "'while_executing'"),
        ("lock", 3, "'while_executing'"),
        *(
            ("limit", value, "whole numbers from 1 to 1000000000, and a callable")
            for value in (0, -1, 1.0, 1.5, "3", True, False, [3], 10**9 + 1)
        ),
        ("limit", lambda: 1, "called as the task is"),
        ("renew", "yes", "True and False"),
        ("renew", 15, "True and False"),
        ("namespace", "", "a string that is not empty"),
        ("namespace", 3, "a string that is not empty"),
        ("backend", 3, "a URL or a Backend object"),
        ("backend", MemoryBackend, "a URL or a Backend object"),
        (
            "backend",
            "foo://x",
            "memcached, memory, mysql, postgresql, redis, redis+cluster",
        ),
        ("backend", "localhost:6379", "memcached, memory, "),
        ("backend", "", "memcached, memory, "),
        ("key", 3, "a callable, a template"),
        ("key", [1], "a callable, a template"),
        ("key", "{order}", "it has: order_id, note"),
        ("key", ["order"], "it has: order_id, note"),
        ("key", "note", 'key="{note}"'),
        ("key", "order_id", 'key="{order_id}"'),
        ("key", lambda: 1, "called as the task is"),
    ],
)
def test_a_wrong_option_fails_at_once_and_says_what_is_allowed(option, value, allowed):
    with pytest.raises(ConfigurationError) as error:
        unique(**{option: value})(charge)

    said = str(error.value)
    assert option in said
    assert repr(value).rstrip("/'") in said
    assert allowed in said


@pytest.mark.parametrize(
    "url",
    [
        "foo://user:s3cret@host/0",
        "foo://:s3cret@host",
        "foo://host?password=s3cret",
        "foo://user:s3cret#1@host",
        "foo://user:s3cret/1@host",
        "user:s3cret@host:6379/0",
        "redis://user:s3cret@[host",
    ],
)
def test_a_wrong_url_is_shown_without_its_password(url):
    with pytest.raises(ConfigurationError) as error:
        unique(backend=url)

    assert "s3cret" not in str(error.value)
    assert "backend" in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"expire": 60},
        {"expire": 0.5},
        {"expire": timedelta(hours=1)},
        {"on_duplicate": "retry"},
        {"on_duplicate": retry(countdown=5)},
        {"on_duplicate": lambda duplicate: None},
        {"on_duplicate": {"publish": "ignore", "run": "retry"}},
        {"lock": "while_executing"},
        {"limit": 1},
        {"limit": 10**9},
        {"limit": lambda order_id, note: 3},
        {"limit": 1, "on_duplicate": "cached"},
        {"limit": 3, "on_duplicate": "retry"},
        {"limit": 3, "on_duplicate": lambda duplicate: None},
        {"renew": True},
        {"renew": False},
        {"namespace": "orders"},
        {"backend": MemoryBackend()},
        {"backend": "memory://"},
        {"backend": "redis://localhost:1/0"},
        {"key": "{order_id}"},
        {"key": ["order_id", "note"]},
        {"key": lambda order_id, note: order_id},
        {"key": "nightly"},
        {"key": ()},
    ],
    # Not the address of a function, by which two runs would differ.
    ids=lambda options: str(options).partition(" at 0x")[0],
)
def test_a_right_option_is_taken(options):
    decorated = unique(**options)(charge)

    assert decorated.__name__ == "charge"


def test_an_unknown_option_is_an_error():
    options: dict[str, Any] = {"expires": 60}

    with pytest.raises(ConfigurationError, match="'expires' is no option; known"):
        unique(**options)


def test_options_leave_every_choice_to_the_settings_unless_they_make_it():
    assert set(vars(Options()).values()) == {None}


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_lock_type_is_checked_by_its_name(lock):
    assert lock_type(lock).name == lock

    with pytest.raises(ConfigurationError, match=f"allowed are .*'{lock}'"):
        lock_type(lock.upper())


# A callable that fits the parameters with `self` or without it can be right, as long as
# it is not known whether the task is bound.


def bound_charge(self: Any, order_id: int, note: str = "") -> None: ...


def make_task(function: Callable[..., Any], **options: Any) -> Any:
    task: Any = Celery(set_as_current=False).task
    return task(lazy=False, shared=False, **options)(function)


@pytest.mark.parametrize(
    "key", [lambda order_id, note: 1, "{note}", ["order_id"], "nightly"]
)
def test_a_key_may_fit_the_parameters_of_a_bound_task(key):
    task = make_task(unique(key=key)(bound_charge), bind=True)

    assert task.run.__name__ == "bound_charge"


@pytest.mark.parametrize(
    "function, bind, key",
    [
        (charge, False, lambda order_id: order_id),
        (bound_charge, True, lambda order_id: order_id),
        (bound_charge, True, lambda self, order_id, note: order_id),
        (bound_charge, True, "{self}"),
        (bound_charge, True, ["self"]),
    ],
)
def test_a_key_that_does_not_fit_fails_at_the_latest_when_the_task_is_made(
    function, bind, key
):
    with pytest.raises(ConfigurationError, match="key="):
        make_task(unique(key=key)(function), bind=bind)
