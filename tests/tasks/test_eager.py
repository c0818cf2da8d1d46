"""Eager calls that say something of their guard."""

from typing import Any

import pytest
from celery import Task

from tests.published_calls import holder, key_of, task_of
from unique_task import (
    ConfigurationError,
    DuplicateTaskError,
    current_lock,
    skip,
    unique,
)
from unique_task.backends.record import Record
from unique_task.messages.stamp import LOCK_HEADER
from unique_task.options.guarded_class import GUARDED

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture(params=["apply", "always eager"])
def call(request, app):
    """Call a task eagerly, in both ways that Celery has."""
    if request.param == "always eager":
        app.conf.task_always_eager = True
        return lambda task, *args, **said: task.apply_async(args, **said)
    return lambda task, *args, **said: task.apply(args, **said)


@pytest.fixture
def work(app, gate):
    @app.task(name="work")
    @unique(lock="until_executed", on_duplicate=skip("skipped"))
    def work(item=1):
        gate.hold()
        return "ran"

    return work


def test_an_eager_call_holds_its_lock_while_it_runs(work, gate, call, sent):
    with gate.holding(call, work) as first:
        assert holder(work).state == "called"
        assert call(work).result == "skipped"
    assert first.result().get() == "ran"
    assert holder(work) is None
    assert not sent


def test_it_may_say_that_it_wants_no_lock(work, gate, call):
    work.app.conf.unique_backend.reserve(key_of(work), Record("other/0/0//a"), 60)
    gate.open()

    assert call(work).result == "skipped"
    assert call(work, unique=False).result == "ran"


def test_it_may_have_a_key_of_its_own(app, call):
    @app.task
    @unique
    def see(item):
        return current_lock().key

    key = getattr(see, GUARDED).spec.digest_of(see, "mine")

    assert call(see, 1, unique_key="mine").get() == key
    assert call(see, 1).get() != key


def test_it_may_have_a_policy_of_its_own(work, gate, call):
    work.app.conf.task_eager_propagates = False
    with gate.holding(call, work):
        result = call(work, unique={"on_duplicate": "raise"})
        assert isinstance(result.result, DuplicateTaskError)


def test_other_headers_of_the_call_stay(app):
    @app.task(bind=True)
    @unique
    def see(self):
        return self.request.headers

    headers = see.apply(headers={"mine": 1}, unique_key=7).get()

    assert headers["mine"] == 1
    assert LOCK_HEADER in headers
    assert see.apply(headers={"mine": 1}).get() == {"mine": 1}


def test_an_id_of_the_call_stays(app):
    @app.task(bind=True)
    @unique
    def see(self):
        return self.request.id

    assert see.apply(task_id="mine", unique_key=7).get() == "mine"


@pytest.mark.parametrize(
    "said", [{"unique": "yes"}, {"unique": {"key": 1}}, {"unique_key": None}], ids=str
)
def test_a_wrong_value_is_an_error(app, call, said):
    with pytest.raises(ConfigurationError, match="unique"):
        call(task_of(app), **said)


def test_an_eager_task_in_a_chain_goes_on_with_its_options(app):
    app.conf.task_always_eager = True

    @app.task
    @unique(lock="until_executed")
    def add(number):
        return number + 1

    signed = add.s(1).set(unique_key="a") | add.s().set(unique=False) | add.s()

    assert signed.apply_async().get() == 4


@pytest.mark.parametrize("headers", [123, "text", [("mine", 1)], {5}], ids=repr)
def test_headers_may_be_anything_in_a_call_that_says_nothing(app, headers):
    @app.task(bind=True)
    @unique
    def see(self):
        return self.request.headers

    assert see.apply(headers=headers, throw=True).get() == headers
    with pytest.raises(ConfigurationError, match="headers=.* must be a dict"):
        see.apply(headers=headers, unique_key=7)


class HandsOn(Task):
    abstract = True

    def apply(self, *args: Any, **options: Any) -> Any:
        return super().apply(*args, **options)


@pytest.mark.parametrize("base", [Task, HandsOn])
def test_an_eager_call_may_give_all_by_position(app, base):
    @app.task(bind=True, base=base)
    @unique
    def see(self, item):
        return self.request.id, item

    given: tuple[Any, ...] = ((5,), {}, None, None, "mine")

    assert see.apply(*given).get() == ("mine", 5)
    assert see.apply(*given, unique_key=7).get() == ("mine", 5)
