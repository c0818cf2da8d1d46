"""Calls that do not fit the task: sent as plain Celery sends them, they fail there."""

import functools
from typing import Any

import celery
import pytest

from tests.inprocess import value_of
from tests.published_calls import holder, noted
from tests.waiting import wait_until
from unique_task import UniqueCeleryTask, UniqueKeyError, unique
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1, 2, 3), {}),
    ((1,), {"colour": "red"}),
    ((1,), {"item": 1}),
]


def key_of_item(item: Any, note: str) -> Any:
    return item


def make(app: Any, form: str, lock: Any, **options: Any) -> Any:
    """Make ``work(item, note="")`` in one of several forms."""
    guard = unique(lock=lock, key=key_of_item if form == "callable" else None)

    def work(item: Any, note: str = "") -> Any:
        return item

    def bound(self: Any, item: Any, note: str = "") -> Any:
        return item

    bound.__name__, bound.__qualname__ = work.__name__, work.__qualname__
    if form == "base":

        class Base(UniqueCeleryTask):
            unique_options = {"lock": lock}

        return app.task(name="work", base=Base, **options)(work)
    if form == "outer":
        return guard(app.task(name="work", **options)(work))
    if form == "bound":
        return app.task(name="work", bind=True, **options)(guard(bound))
    return app.task(name="work", **options)(guard(work))


FORMS = ["inner", "outer", "bound", "base", "callable"]


@pytest.mark.parametrize("lock", LOCK_TYPES)
@pytest.mark.parametrize("form", FORMS)
def test_without_typing_they_are_sent_and_fail_in_the_worker(worker_app, form, lock):
    task = make(worker_app, form, lock, typing=False)

    with noted() as sent:
        results = [task.apply_async(args, kwargs) for args, kwargs in WRONG]

    assert [result.duplicate for result in results] == [False] * len(WRONG)
    assert all(message.lock is None for message in sent)
    for result in results:
        with pytest.raises(TypeError, match=r"work\(\) (missing|takes|got)"):
            value_of(result)
    right = task.delay(f"{form} {lock}")
    assert (right.duplicate, value_of(right)) == (False, f"{form} {lock}")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("args, kwargs", WRONG)
def test_by_name_they_are_sent_and_fail_in_the_worker(worker_app, form, args, kwargs):
    make(worker_app, form, "until_executed")

    result = worker_app.send_task("work", args, kwargs)

    with pytest.raises(TypeError, match=r"work\(\) (missing|takes|got)"):
        value_of(result)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_called_at_once_they_fail_as_without_a_guard(app, form, lock):
    task = make(app, form, lock, typing=False)

    for args, kwargs in WRONG:
        for call in (task, lambda *a, **k: task.apply(a, k, throw=True)):
            with pytest.raises(TypeError, match=r"work\(\) (missing|takes|got)"):
                call(*args, **kwargs)


def test_what_a_call_says_of_its_guard_goes_along(app, sent):
    task = make(app, "inner", "until_executed", typing=False)

    task.apply_async((), unique={"expire": 5})
    assert sent.last.lock["unique"] == {"expire": 5}

    # Nobody has to look at the arguments for that lock.
    first = task.apply_async((), unique_key=7)
    assert sent.last.lock["token"] and not first.duplicate
    assert task.apply_async((1, 2, 3), unique_key=7).duplicate


def test_a_member_of_a_canvas_is_sent_without_an_error_in_the_log(app, sent, caplog):
    task = make(app, "inner", "until_executed", typing=False)

    task.apply_async((), task_id="mine", group_id="group")

    assert len(sent) == 1
    assert not caplog.records


def test_a_retry_with_arguments_that_do_not_fit_ends_the_task(worker_app):
    def work(self, item):
        # Celery stores RETRY after it has sent the next try, which has no lock to wait
        # for: without a countdown that may end first, and RETRY would be the last word.
        raise self.retry(args=(1, 2, 3), countdown=0.5)

    guarded = unique(lock="until_executed", key="{item}")(work)
    task = worker_app.task(bind=True, typing=False)(guarded)

    with pytest.raises(TypeError, match=r"work\(\) takes"):
        value_of(task.delay(1))
    wait_until(lambda: holder(task, 1) is None)


@pytest.mark.parametrize("args", [5, "work", {1: 2}], ids=repr)
def test_what_celery_refuses_to_send_celery_refuses(app, args):
    task = make(app, "inner", "until_executed", typing=False)

    with pytest.raises(TypeError, match="task args must be a list or tuple"):
        app.send_task(task.name, args)


# A decorator below @unique


def passing_a_database(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function("database", *args)

    return call


@pytest.mark.parametrize("order", ["inner", "outer"])
def test_celery_checks_the_arguments_as_without_a_guard(app, order):
    @passing_a_database
    def work(database: str, item: int) -> Any:
        return database, item

    if order == "inner":
        task = app.task(unique(lock="until_executed")(work))
    else:
        task = unique(lock="until_executed")(app.task(work))

    # Not with a TypeError: plain Celery sends that.
    for call in (task.delay, task):
        with pytest.raises(UniqueKeyError, match=r"fit \(database: str, item: int\)"):
            call(1)
    assert task.apply_async((1,), unique_key=1).duplicate is False
    assert task.apply((1,), unique_key=2).get() == ("database", 1)


def test_below_such_a_decorator_a_task_is_guarded(app):
    def work(database, item):
        return database, item

    guarded = unique(key="{item}", on_duplicate="raise")(work)
    task = app.task(passing_a_database(guarded))

    assert task(1) == ("database", 1)


@pytest.mark.skipif(celery.VERSION < (5, 5), reason="knows no models")
@pytest.mark.parametrize("order", ["inner", "outer"])
def test_what_is_no_model_is_refused_where_it_runs(app, sent, order):
    from pydantic import BaseModel, ValidationError

    class Order(BaseModel):
        number: int

    def charge(order: Order) -> Any: ...

    charge.__annotations__["order"] = Order
    guard, make = unique(lock="until_executed"), app.task(pydantic=True)
    task = make(guard(charge)) if order == "inner" else guard(make(charge))

    assert not task.delay({"number": "many"}).duplicate
    # Celery checks no arguments of such a task when it is sent.
    assert not task.delay().duplicate
    assert [message.lock for message in sent] == [None, None]
    with pytest.raises(ValidationError):
        task.apply(({"number": "many"},), throw=True)
