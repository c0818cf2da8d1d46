"""A plugin of pytest: every task of every app is under the guard."""

from __future__ import annotations

import inspect
import threading
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery, Task

from unique_task import ConfigurationError
from unique_task.options.guarded_class import PENDING, installer_in
from unique_task.options.run_function import function_in
from unique_task.options.task_options import Options
from unique_task.tasks.decorator import _refuse_lazy_body
from unique_task.tasks.wrapping import Wrapping

ENDED = threading.Event()


def key_of(*args: Any, **kwargs: Any) -> str:
    """Also what no key is made of has one: mocks, for example."""
    return repr((args, sorted(kwargs)))


OPTIONS = Options(key=key_of, backend="memory://")


def mark(task_class: type[Task]) -> None:
    """Do for a task that is about to be made what ``@unique`` above it does.

    So its functions stay what they are, and no frame of ours stands between the tests
    and Celery: it warns where a name is used twice.
    """
    function = inspect.unwrap(function_in(inspect.getattr_static(task_class, "run")))
    if function is Task.run or installer_in(function):
        return
    # A coroutine or generator cannot have a guard; a built-in function no mark.
    with suppress(ConfigurationError, AttributeError):
        _refuse_lazy_body(function)
        setattr(function, PENDING, Wrapping(OPTIONS, function))


def pytest_sessionstart() -> None:
    """Guard all tasks; start the threads that the guard needs.

    Celery's tests look for threads that a test has left behind. Ours keeps leases while
    there are any: one is held until the end.
    """
    bind: Any = vars(Task)["bind"].__func__

    def mark_and_bind(task_class: type[Task], app: Celery) -> Any:
        mark(task_class)
        return bind(task_class, app)

    setattr(Task, "bind", classmethod(mark_and_bind))
    hold_a_lease()


def hold_a_lease() -> None:
    app, held = Celery("celery_suite", set_as_current=False), threading.Event()

    @app.task
    def hold() -> None:
        held.set()
        ENDED.wait()

    threading.Thread(target=hold.apply, daemon=True).start()
    held.wait()


def pytest_sessionfinish(session: pytest.Session) -> None:
    ENDED.set()
