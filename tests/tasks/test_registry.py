"""What stands, or does not stand, in an app's registry of tasks."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery, shared_task

from tests.inprocess import make_app
from unique_task import unique
from unique_task.options.guarded_class import guarded_class_in

pytest_plugins = "tests.inprocess_fixtures"

ALONE = unique(key="work", on_duplicate="raise")


def work(item: int = 1) -> int:
    return item


def inner(app: Celery) -> Any:
    return app.task(name="work")(ALONE(work))


def outer(app: Celery) -> Any:
    # Of its own: the mark stays at the function.
    def work(item: int = 1) -> int:
        return item

    return ALONE(app.task(name="work")(work))


@pytest.mark.parametrize("make", [inner, outer])
@pytest.mark.parametrize(
    "call",
    [
        lambda task: task(3),
        lambda task: task.run(3),
        lambda task: task.delay(3).duplicate or 3,
    ],
    ids=["called", "run", "sent"],
)
def test_a_task_that_was_taken_out_of_the_registry_can_be_called(app, make, call):
    task = make(app)
    app.tasks.unregister(task.name)

    assert call(task) == 3


class Registry:
    """A registry that can do what Celery needs of it."""

    def __init__(self, tasks: Any = ()) -> None:
        self._tasks = dict(tasks)

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def __getitem__(self, name: str) -> Any:
        return self._tasks[name]

    def __setitem__(self, name: str, task: Any) -> None:
        self._tasks[name] = task

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def values(self) -> Any:
        return self._tasks.values()


@pytest.fixture
def odd_app(app, monkeypatch):
    monkeypatch.setattr(app, "_tasks", Registry())
    return app


@pytest.mark.parametrize("make", [inner, outer])
def test_a_registry_needs_no_get(odd_app, sent, make):
    task = make(odd_app)

    odd_app.send_task(task.name, (1,))
    odd_app.send_task("elsewhere", (1,))
    task.delay(1)

    assert [message.name for message in sent] == ["work", "elsewhere", "work"]
    assert task(3) == 3


@pytest.mark.parametrize(
    "junk",
    [None, 3, "work", Mock(), work],
    ids=["none", "number", "text", "mock", "function"],
)
def test_what_stands_there_and_is_no_task_is_no_obstacle(app, sent, junk):
    with make_app() as other:
        vars(other)["_tasks"].update(work=junk, junk=junk)

        task = outer(app)
        other.send_task("elsewhere")

    assert task.delay(1).duplicate is False


def test_a_decoration_looks_at_no_task_but_its_own(app, monkeypatch):
    class Counting(dict):
        looked: list[str] = []

        def get(self, name, default=None):
            self.looked.append(name)
            return super().get(name, default)

        def values(self):
            raise AssertionError("a look at all tasks")

        items = __iter__ = values

    monkeypatch.setattr(app, "_tasks", Counting(app._tasks))

    outer(app)

    assert Counting.looked == ["work"]


def test_tasks_made_already_are_guarded_in_every_app(app):
    app.finalize()
    with make_app() as other:
        other.finalize()

        def single(item: int = 1) -> int:
            return item

        ALONE(shared_task(name="single")(single))

        for each in (app, other):
            guarded_class = guarded_class_in(type(each.tasks["single"]))
            assert guarded_class is not None and guarded_class.app is each
