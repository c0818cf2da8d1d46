"""One call says otherwise than its task: ``unique=`` and ``unique_key=``."""

import json
from datetime import timedelta
from typing import Any

import pytest
from celery import signature

from tests.published_calls import (
    holder,
    is_duplicate,
    record_at,
    remaining,
    task_of,
    wait_of,
)
from unique_task import ConfigurationError, DuplicateTaskError, cached, retry, unique
from unique_task.keys.digest import digest_of

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def work(app):
    return task_of(app)


@pytest.mark.parametrize("said", [True, None])
def test_true_or_nothing_is_as_the_task_says(work, sent, said):
    first = work.apply_async(unique=said)

    assert is_duplicate(work.apply_async(unique=said), of=first)
    assert "unique" not in sent.last.lock


def test_false_sends_the_call_without_a_lock(work, sent):
    work.delay()
    holds = holder(work)

    result = work.apply_async(unique=False)

    assert result.duplicate is False
    assert sent.last.lock["unique"] is False
    assert "token" not in sent.last.lock
    assert holder(work) == holds


def test_false_looks_for_no_key(work, sent):
    assert work.apply_async((object,), unique=False, serializer="pickle").id


def test_a_call_has_a_lock_type_of_its_own(app, sent):
    work = task_of(app, unique)

    first = work.apply_async(unique={"lock": "until_executed"})
    assert holder(work).owner == first.id
    assert sent.last.lock["unique"] == {"lock": "until_executed"}
    assert work.apply_async(unique={"lock": "until_executed"}).duplicate
    assert not work.delay().duplicate


def test_a_call_may_lock_when_it_runs_what_is_locked_at_publish(work, sent):
    result = work.apply_async(unique={"lock": "while_executing"})
    assert not result.duplicate
    assert holder(work) is None


@pytest.mark.parametrize("expire", [50, 50.0, timedelta(seconds=50)])
def test_a_call_has_an_expiry_of_its_own(work, sent, expire):
    work.apply_async(unique={"expire": expire})

    assert 40 < remaining(work) <= 50
    assert sent.last.lock["unique"] == {"expire": 50}


def test_a_call_has_a_policy_of_its_own(work, sent):
    work.delay()

    with pytest.raises(DuplicateTaskError):
        work.apply_async(unique={"on_duplicate": "raise"})
    assert work.apply_async(unique={"on_duplicate": {"publish": "ignore"}}).duplicate
    value = work.apply_async(unique={"on_duplicate": {"publish": lambda _: 3}})
    assert value.get() == 3
    work.apply_async(unique={"on_duplicate": retry(countdown=20, jitter=False)})
    assert wait_of(sent.last, work.app) > 19
    assert sent.last.lock["unique"]["on_duplicate"]["retry"]["countdown"] == 20


SAID: list[dict[str, Any]] = [
    {"unique": False},
    {"unique": {"renew": False, "expire": timedelta(minutes=1)}},
    {"unique": {"on_duplicate": cached(5), "lock": "until_executed"}},
    {"unique": {"on_duplicate": "replace", "lock": "until_executing"}},
    {"unique_key": "order-7"},
    {"unique_key": ["order", 7]},
]


@pytest.mark.parametrize("said", SAID, ids=str)
@pytest.mark.parametrize("name", ["work", "elsewhere"])
def test_what_is_said_survives_json(work, sent, name, said):
    work.app.send_task(name, **said)

    assert json.loads(json.dumps(sent.last.lock)) == sent.last.lock


# The key


def test_calls_with_one_key_are_equal(work, sent):
    first = work.apply_async((1,), unique_key="order-7")

    assert is_duplicate(work.apply_async((2,), unique_key="order-7"), of=first)
    assert not work.apply_async((1,), unique_key="order-8").duplicate
    assert not work.apply_async((1,)).duplicate
    assert sent[0].lock["key"] == digest_of("work", "order-7")
    assert sent[0].lock["own_key"] is True


@pytest.mark.parametrize("key", [0, "", False, [], {}], ids=repr)
def test_a_key_may_be_any_plain_data(work, key):
    first = work.apply_async((1,), unique_key=key)

    assert is_duplicate(work.apply_async((2,), unique_key=key), of=first)
    assert not work.delay().duplicate


def test_the_key_of_a_call_is_one_of_the_tasks_namespace(app):
    one = task_of(app, unique(lock="until_executed", namespace="orders"))
    two = task_of(
        app, unique(lock="until_executed", namespace="orders"), name="two", shared=False
    )

    first = one.apply_async(unique_key=7)

    assert is_duplicate(two.apply_async(unique_key=7), of=first)


def test_a_key_travels_with_a_lock_that_is_taken_at_run(app, sent):
    task_of(app, unique).apply_async(unique_key="order-7")

    assert sent.last.lock["key"] == digest_of("work", "order-7")
    assert sent.last.lock["own_key"] is True
    assert record_at(app, digest_of("work", "order-7")) is None


def test_a_task_that_is_known_elsewhere_gets_its_key_by_name(app, sent):
    for _ in range(2):
        app.send_task("elsewhere", (1,), unique_key="order-7", unique={"expire": 5})

    assert len(sent) == 2
    # Its namespace is not known here: the worker makes the key.
    assert "key" not in sent.last.lock
    assert sent.last.lock["given"] == "order-7"
    assert sent.last.lock["unique"] == {"expire": 5}
    assert sent.last.lock["id"] == sent.last.id


def test_a_signature_carries_them(work, sent):
    signed = work.si(1).set(unique_key="order-7", unique={"expire": 50})
    copy = signature(json.loads(json.dumps(signed)), app=work.app)

    first = signed.apply_async()

    assert is_duplicate(copy.apply_async(), of=first)
    assert is_duplicate(work.apply_async((2,), unique_key="order-7"), of=first)
    assert work.si(1).set(unique=False).apply_async().duplicate is False
    assert sent.last.lock["unique"] is False


def test_they_are_no_options_of_the_message(work, monkeypatch):
    given: dict[str, Any] = {}
    note = lambda *args, **options: given.update(options)  # noqa: E731
    monkeypatch.setattr(work.app.amqp, "send_task_message", note)

    work.apply_async(unique={"expire": 5}, unique_key=1)

    assert given and not {"unique", "unique_key"} & given.keys()


# What makes no sense


def test_a_key_of_none_is_an_error(work):
    with pytest.raises(ConfigurationError, match="unique_key=None"):
        work.apply_async(unique_key=None)


@pytest.mark.parametrize("by", ["task", "name"])
@pytest.mark.parametrize("value", ["yes", 1, 0, [], {"key": "a"}, {"namespace": 1}])
def test_a_wrong_value_is_an_error_that_says_what_is_allowed(work, sent, by, value):
    with pytest.raises(ConfigurationError) as error:
        if by == "task":
            work.apply_async(unique=value)
        else:
            work.app.send_task("elsewhere", unique=value)

    assert str(error.value) == (
        f"unique={value!r}: allowed for one call are True, False, 'successor', and a "
        "dict of expire, limit, lock, on_duplicate, renew"
    )
    assert not sent


@pytest.mark.parametrize(
    "option, value, allowed",
    [
        ("expire", 0, "more than 0"),
        ("expire", "soon", "seconds or a timedelta"),
        ("lock", "forever", "'until_executed'"),
        ("limit", 0, "whole numbers from 1 to"),
        ("limit", True, "whole numbers from 1 to"),
        ("limit", "3", "whole numbers from 1 to"),
        ("limit", max, "cannot travel in a message"),
        ("renew", "yes", "True and False"),
        ("on_duplicate", "drop", "'ignore'"),
        ("on_duplicate", {"run": "replace"}, 'for "publish" only'),
    ],
)
@pytest.mark.parametrize("name", ["work", "elsewhere"])
def test_a_wrong_option_names_itself_its_value_and_what_is_allowed(
    work, sent, option, value, allowed, name
):
    with pytest.raises(ConfigurationError) as error:
        work.app.send_task(name, unique={option: value})

    for text in (option, repr(value), allowed):
        assert text in str(error.value)
    assert not sent


UNFIT: list[dict[str, Any]] = [
    {"lock": "until_executing"},
    {"lock": "while_executing", "on_duplicate": "replace"},
    {"lock": "until_expired", "on_duplicate": cached(5)},
    {"lock": "while_executing", "on_duplicate": {"publish": "raise"}},
    {"limit": 2},
    {"limit": 2, "lock": "until_executing", "on_duplicate": "replace"},
]


@pytest.mark.parametrize("said", UNFIT, ids=str)
def test_options_that_make_no_sense_together_are_an_error(app, sent, said):
    work = task_of(app, unique(lock="until_executed", on_duplicate="cached"))

    with pytest.raises(ConfigurationError):
        work.apply_async(unique=said)
    assert not sent


@pytest.mark.parametrize("lock", ["until_executed", "until_and_while_executing"])
def test_a_callable_that_cannot_travel_leaves_no_lock(work, sent, lock):
    with pytest.raises(ConfigurationError, match="a callable cannot travel"):
        work.apply_async(unique={"on_duplicate": lambda _: 3, "lock": lock})

    assert not sent
    assert holder(work) is holder(work, pending=".pending") is None


@pytest.mark.parametrize("said", [{"unique_key": "7"}, {"unique": {"expire": 5}}])
def test_for_a_task_without_a_guard_they_are_an_error(app, said):
    @app.task(name="plain")
    def plain(): ...

    with pytest.raises(ConfigurationError, match="plain has none"):
        plain.apply_async(**said)

    plain.apply_async(unique=False)
