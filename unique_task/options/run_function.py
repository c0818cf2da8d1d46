"""The run function of a task, and the wrappers of Celery and others around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def function_in(run: Any) -> Any:
    """Return the function of a ``run`` as it stands in the class."""
    return run.__func__ if isinstance(run, staticmethod) else run


def run_of(task_class: type[Any]) -> Any:
    """Return the ``run`` of a class as it stands there, None without one."""
    # A tenth of the cost of inspect.getattr_static: each message passes here.
    for base in task_class.__mro__:
        if "run" in vars(base):
            return vars(base)["run"]
    return None


def layers_of(run: Any) -> Iterator[Any]:
    """Yield `run`, what it wraps, what that wraps, and so on."""
    while run is not None:
        yield run
        run = getattr(run, "__dict__", {}).get("__wrapped__")


def without_celery(run: Any) -> Any:
    """Return what Celery's wrapper for ``pydantic=True`` wraps, if it is there."""
    return run.__wrapped__ if is_of_celery(run) else run


def is_of_celery(function: Any) -> bool:
    """Tell whether a function is Celery's wrapper for ``pydantic=True``, or in it."""
    module = getattr(function, "__globals__", {}).get("__name__")
    return bool(module == "celery.app.base")
