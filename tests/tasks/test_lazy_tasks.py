"""Sent by name before anybody has looked at a task: Celery has not made it yet."""

import functools
from threading import Event, Thread, current_thread
from typing import Any

import pytest
from celery import shared_task

from tests.inprocess import TIMEOUT, Gate, make_app
from tests.published_calls import ONE
from unique_task import UniqueCeleryTask, unique
from unique_task.tasks import lazy_tasks
from unique_task.tasks.lazy_tasks import definition_of

pytest_plugins = "tests.inprocess_fixtures"

NAME = f"{__name__}.work"


def own() -> Any:
    """A function that carries no mark of another test."""

    def function(item: int = 1) -> int:
        return item

    function.__name__ = "work"
    return function


def own_bound() -> Any:
    def function(self: Any, item: int = 1) -> int:
        return item

    function.__name__ = "work"
    return function


class Based(UniqueCeleryTask):
    abstract = True
    unique_options = {"lock": "until_executed"}


def app_of_unique_tasks(app: Any) -> Any:
    app.task_cls = Based
    return app.task(own())


def app_whose_tasks_are_set(app: Any) -> Any:
    app.Task = Based
    return app.task(own())


MAKERS: dict[str, Any] = {
    "inner": lambda app: app.task(ONE(own())),
    "outer": lambda app: ONE(app.task(own())),
    "bound": lambda app: app.task(bind=True)(ONE(own_bound())),
    "base class": lambda app: app.task(base=Based)(own()),
    "base class of the app": app_of_unique_tasks,
    "base class of the app, set later": app_whose_tasks_are_set,
    "not shared": lambda app: app.task(shared=False)(ONE(own())),
    "shared inner": lambda app: shared_task(ONE(own())),
    "shared outer": lambda app: ONE(shared_task(own())),
    "shared base class": lambda app: shared_task(base=Based)(own()),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_is_sent_by_name_first_is_guarded(app, sent, make):
    make(app)

    first = app.send_task(NAME, (1,))
    second = app.send_task(NAME, (), {"item": 1})

    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.id == first.id
    assert [message.lock["token"] is not None for message in sent] == [True]
    assert not app.finalized


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_task_is_the_one_that_celery_makes(app, make):
    task = make(app)
    app.send_task(NAME)

    made = vars(app)["_tasks"][NAME]
    app.finalize()

    assert app.tasks[NAME] is made
    assert task.delay(1).duplicate is True


def test_a_name_that_is_given_counts(app):
    app.task(name="shop.work")(ONE(own()))

    assert not app.send_task("shop.work").duplicate
    assert app.send_task("shop.work").duplicate
    assert not getattr(app.send_task(NAME), "duplicate", False)


def test_a_task_that_another_app_shares_is_known_here(app):
    app.task(ONE(own()))
    other: Any
    with make_app() as other:
        assert not other.send_task(NAME).duplicate
        assert other.send_task(NAME).duplicate
        assert not other.finalized


def test_tasks_without_a_guard_are_not_made(app, sent):
    app.task(name="plain")(own())
    app.task(name="unique")(ONE(own()))
    before = set(vars(app)["_tasks"])

    app.send_task("plain")
    app.send_task("elsewhere")

    assert set(vars(app)["_tasks"]) == before
    assert [message.name for message in sent] == ["plain", "elsewhere"]
    assert not app.finalized


def test_an_app_that_must_not_be_finalized_sends_as_without_us(sent):
    app: Any
    with make_app() as app:
        app.autofinalize = False
        app.task(ONE(own()))

        app.send_task(NAME)

        assert not app.finalized
        assert sent.last.lock is None


def test_what_was_taken_out_of_the_registry_stays_out(app, sent):
    app.task(ONE(own()))
    app.tasks.unregister(NAME)

    app.send_task(NAME)

    assert NAME not in app.tasks
    assert sent.last.lock is None


def test_tasks_that_come_later_are_found(app):
    app.task(name="first")(ONE(own()))
    app.send_task("second")

    app.task(name="second")(ONE(own()))

    assert not app.send_task("second").duplicate
    assert app.send_task("second").duplicate


def test_the_tasks_are_looked_through_once(app, monkeypatch):
    app.task(ONE(own()))
    app.send_task("elsewhere")

    monkeypatch.setattr(lazy_tasks, "_is_unique", None)

    app.send_task("elsewhere")
    app.send_task("another")


def test_a_callback_of_somebody_elses_is_no_obstacle(app, sent):
    from celery import _state

    for callback in (functools.partial(print), print, lambda app: None):
        _state.connect_on_app_finalize(callback)

    app.send_task("elsewhere")

    assert sent.last.name == "elsewhere"


def test_what_a_call_says_of_its_guard_is_for_unmade_tasks_too(app, sent):
    app.task(unique(own()))

    app.send_task(NAME, unique={"lock": "until_executed"})

    assert sent.last.lock["token"]


def test_what_another_thread_makes_meanwhile_is_no_error(app):
    task = app.task(ONE(own()))
    assert definition_of(task) is not None

    assert task.name == NAME  # which makes it

    assert definition_of(task) is None


def test_a_name_is_not_looked_up_in_the_middle_of_finalizing(app, sent):
    at_work, gate = Event(), Gate()
    make_name = app.gen_task_name

    def gen_task_name(*args: Any) -> str:
        if current_thread() is finalizing:
            at_work.set()
            gate.hold()
        return str(make_name(*args))

    app.gen_task_name = gen_task_name
    shared_task(ONE(own()))
    finalizing = Thread(target=app.finalize)
    finalizing.start()
    assert at_work.wait(TIMEOUT)
    by_name = Thread(target=app.send_task, args=(NAME,))
    by_name.start()
    # Sent without its task, the message is gone by then.
    by_name.join(0.2)
    gate.open()
    for thread in (finalizing, by_name):
        thread.join(TIMEOUT)

    assert sent.last.lock["token"]
