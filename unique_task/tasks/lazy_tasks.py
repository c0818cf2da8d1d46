"""Tasks that Celery has not made yet, and what it will make them of."""

from __future__ import annotations

from typing import Any, NamedTuple

from celery.local import PromiseProxy, Proxy


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

    The task stays lazy. Another thread may make it at any time, which takes from the
    proxy what it knows.
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
    """Return what one of Celery's callbacks makes a shared task from, None for others.

    Each app calls them when it is finalized.
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
