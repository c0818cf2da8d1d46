"""Finds the tasks that Celery has not made yet; makes those that have a guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from celery import _state
from celery.local import PromiseProxy, Proxy, maybe_evaluate

from ..options.guarded_class import installer_in, registered_task
from .task_class import UniqueCeleryTask

#: Attribute of an app: its makers by name, and how many tasks were known then.
_CACHE = "_unique_task_unmade"

_PLAIN = "celery.app.task:Task"

#: Seconds to wait for a thread that finalizes the app.
_PATIENCE = 5.0

_Makers = dict[str, Callable[[], Any]]


class Definition(NamedTuple):
    """What Celery makes a task from."""

    function: Any
    options: dict[str, Any]

    def name(self, app: Any) -> str:
        """Return the name that the task has in `app`."""
        function = self.function
        return self.options.get("name") or str(
            app.gen_task_name(function.__name__, function.__module__)
        )


def definition_of(task: Any) -> Definition | None:
    """Return what a lazy task will be made from; None if there is nothing to make.

    The task stays lazy. Another thread may make it at any time, and then the proxy has
    no definition any more.
    """
    try:
        if type(task) is PromiseProxy:
            (function,) = object.__getattribute__(task, "_Proxy__args")
            return Definition(function, object.__getattribute__(task, "_Proxy__kwargs"))
        if type(task) is Proxy:
            cells = _cells(object.__getattribute__(task, "_Proxy__local"))
            return Definition(cells["fun"], {"name": cells["name"]})
    except AttributeError:
        pass
    return None


def shared_definition(callback: Any) -> Definition | None:
    """Return what a callback of Celery makes a shared task from; None for others.

    Each app calls these callbacks when it is finalized.
    """
    cells = _cells(callback)
    options = cells.get("opts", cells.get("options"))
    if "fun" not in cells or not isinstance(options, dict):
        return None
    return Definition(cells["fun"], options)


def _cells(function: Any) -> dict[str, Any]:
    """Return the variables of a closure by name."""
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    return dict(zip(names, (cell.cell_contents for cell in cells)))


def make_task(app: Any, name: str) -> Any:
    """Make the task of that name if it has a guard; return None if there is none.

    Make only this task: the app is not finalized, tasks without a guard stay as they
    are, and nothing is made where Celery refuses to. While one thread finalizes the
    app, the app already looks finalized::

        one thread      app.finalized = True       registers one task after another
        another                             send_task()

    So wait for the end of that; not for ever, as the thread may wait for this one.
    """
    mutex = getattr(app, "_finalize_mutex")
    waited = mutex.acquire(timeout=_PATIENCE)
    try:
        make = _makers(app).get(name) if _can_make(app) else None
        return registered_task(app, name) if make is None else make()
    finally:
        if waited:
            mutex.release()


def _can_make(app: Any) -> bool:
    """Tell whether anything is left to make, and Celery would make it."""
    return bool(app._pending if app.finalized else app.autofinalize)


def _makers(app: Any) -> _Makers:
    callbacks = getattr(_state, "_on_app_finalizers")
    # Both only grow until the app is finalized.
    size = len(app._pending), len(callbacks)
    cached: tuple[tuple[int, int], _Makers] | None = vars(app).get(_CACHE)
    if cached is None or cached[0] != size:
        makers = {
            made.name(app): make
            for made, make in (*_shared(app, callbacks), *_own(app))
            if _is_unique(app, made)
        }
        cached = vars(app)[_CACHE] = size, makers
    return cached[1]


def _own(app: Any) -> Iterator[tuple[Definition, Callable[[], Any]]]:
    for task in app._pending.copy():
        made = definition_of(task)
        if made is not None:
            yield made, partial(maybe_evaluate, task)


def _shared(app: Any, callbacks: Any) -> Iterator[tuple[Definition, Callable[[], Any]]]:
    for made in map(shared_definition, set(callbacks)):
        if made is not None:
            yield made, partial(app._task_from_fun, made.function, **made.options)


def _is_unique(app: Any, made: Definition) -> bool:
    if installer_in(made.function) is not None:
        return True
    base = made.options.get("base") or _own_base(app)
    return isinstance(base, type) and issubclass(base, UniqueCeleryTask)


def _own_base(app: Any) -> Any:
    """Return the base class of an app's tasks; None if that is Celery's plain one.

    Celery makes the plain one at ``app.Task``; ``task_cls`` may change until then.
    """
    return app.Task if "Task" in vars(app) or app.task_cls != _PLAIN else None
