"""Finds the guard of a task: its spec, and the task that is called."""

from __future__ import annotations

from threading import RLock
from typing import Any, Protocol
from weakref import ref

from celery import Celery, Task
from celery._state import get_current_task

from ..forks import in_forks
from .run_function import function_in, layers_of, run_of
from .task_options import Options
from .task_spec import TaskSpec

#: Attribute of a task class that has a guard: its :class:`Home`. Of a run function that
#: has the guard around it: its :class:`Installer`.
GUARDED = "__unique__"


#: Attribute of a function whose tasks get the guard as soon as they exist.
PENDING = "__unique_pending__"

_installing = RLock()


class Installer(Protocol):
    """What puts the guard around a run function, for all tasks that are made of it."""

    def install(self, task_class: type[Task], app: Celery) -> Home:
        """Guard the tasks of a class that belongs to `app`; return its home."""

    def install_inside(self, task: Task) -> None:
        """Guard a task in what ``autoretry_for`` has put around its run function."""


class Home:
    """A task class that has a guard.

    Arguments:
        origin: what put the guard there.
        spec: of the class.
        task_class: the class itself.
        app: that the class belongs to.
        bound: whether its run function gets the task as its first argument.
    """

    def __init__(
        self,
        origin: object,
        spec: TaskSpec,
        task_class: type[Task],
        app: Celery,
        bound: bool,
    ) -> None:
        self.origin = origin
        self.spec = spec
        self.task_class = task_class
        self.app = app
        self.bound = bound
        made = registered(app, task_class.name)
        # Weak: a task knows its class, and this hangs on the class.
        self._made = ref(made) if type(made) is task_class else None

    @property
    def options(self) -> Options:
        """The options of ``@unique``."""
        return self.spec.options

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


def home_of(task: Any, app: Celery | None = None) -> Home | None:
    """Return the home of the guard of a task; None if the task has no guard.

    Whoever needs a guard asks here. Celery registers a task before it binds it, which
    is when the guard is installed, so another thread may meet the task between::

        one thread      registers the task        binds it: installs the guard
        another                         delay()

    Arguments:
        task: or anything else, which has no guard.
        app: of the task, where that is not bound yet.
    """
    task_class = task.__class__
    found = home_in(task_class)
    if found is not None:
        return found
    wrapping = _wrapping_of(task_class)
    if wrapping is None:
        return None
    with _installing:
        home = home_in(task_class)
        if home is None:
            home = wrapping.install(task_class, app or task.app)
    if "_orig_run" in vars(task):
        wrapping.install_inside(task)
    return home


def install_in(task_class: type[Task], app: Celery) -> None:
    """Guard the tasks of a class that is about to be bound to `app`, if it has one."""
    wrapping = _wrapping_of(task_class)
    if wrapping is None:
        return
    with _installing:
        home = home_in(task_class)
        if home is None or home.app is not app:
            wrapping.install(task_class, app)


def spec_of(task: Task) -> TaskSpec:
    """Return the spec of a task that has a guard."""
    home = home_of(task)
    assert home is not None
    return home.spec


def _wrapping_of(task_class: type[Any]) -> Any:
    run = run_of(task_class)
    return None if run is None else wrapping_in(function_in(run))


def wrapping_in(run: Any) -> Installer | None:
    """Return the wrapping that `run`, or what it wraps, has or waits for."""
    for function in layers_of(run):
        marks = getattr(function, "__dict__", {})
        found: Installer | None = marks.get(GUARDED) or marks.get(PENDING)
        if found is not None:
            return found
    return None


def _no_lock_is_held() -> None:
    """Start anew in a fork: the thread that held the lock is not there."""
    global _installing
    _installing = RLock()


in_forks(_no_lock_is_held)
