"""One task class that has a guard: its rules, and the task that is called."""

from __future__ import annotations

from typing import Any
from weakref import ref

from celery import Celery, Task
from celery._state import get_current_task

from .guard import Guard
from .options import Options

#: Attribute of a task class that has a guard: its :class:`Home`. Of a run function that
#: has the guard around it: its :class:`unique_task.wrapping.Wrapping`.
GUARDED = "__unique__"


class Home:
    """A task class that has a guard.

    Arguments:
        origin: what put the guard there.
        guard: of the class.
        task_class: the class itself.
        app: that the class belongs to.
        bound: whether its run function gets the task as its first argument.
    """

    def __init__(
        self,
        origin: object,
        guard: Guard,
        task_class: type[Task],
        app: Celery,
        bound: bool,
    ) -> None:
        self.origin = origin
        self.guard = guard
        self.task_class = task_class
        self.app = app
        self.bound = bound
        made = registered(app, task_class.name)
        # Weak: a task knows its class, and this hangs on the class.
        self._made = ref(made) if type(made) is task_class else None

    @property
    def options(self) -> Options:
        """The options of ``@unique``."""
        return self.guard.options

    def called(self, args: tuple[Any, ...]) -> tuple[Task, tuple[Any, ...]]:
        """Return the task that is called, and its arguments without itself."""
        return (args[0], args[1:]) if self.bound else (self._task(), args)

    def _task(self) -> Any:
        current: Any = get_current_task()
        if type(current) is self.task_class:
            return current
        made: Any = registered(self.app, self.task_class.name)
        found = home_in(type(made))
        if found is not None and found.origin is self.origin:
            return made
        # Somebody has taken it out of the registry, and calls it all the same.
        remembered = self._made() if self._made is not None else None
        return self.task_class() if remembered is None else remembered


def home_in(task_class: type[Any]) -> Home | None:
    """Return the guard that was put into exactly this class, None without one."""
    found: Home | None = vars(task_class).get(GUARDED)
    return found


def registered(app: Celery, name: str) -> Any:
    """Return what an app has registered under `name`, None without an entry.

    Like Celery's ``send_task``, this does not finalize an app that is still being set
    up. A registry of the user's own need not have a ``get``.
    """
    registry: Any = getattr(app, "_tasks")
    get = getattr(registry, "get", None)
    if callable(get):
        return get(name)
    try:
        return registry[name]
    except KeyError:
        return None
