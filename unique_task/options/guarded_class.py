"""Finds the guard of a task: its class carries it, with the lock configuration."""

from __future__ import annotations

from threading import RLock
from typing import Any, Protocol
from weakref import ref

from celery import Celery, Task

from ..forks import in_forks
from .run_function import function_in, layers_of, run_of
from .task_options import Options
from .task_spec import TaskSpec

#: Attribute of a task class that has a guard: its :class:`GuardedClass`. Of a run
#: function that has the guard around it: its :class:`Installer`.
GUARDED = "__unique__"

#: Attribute of a function whose tasks get the guard as soon as they exist.
PENDING = "__unique_pending__"

_installing = RLock()

#: Of one call: the spec, the task, and the arguments without the task itself.
Called = tuple[TaskSpec, Task, tuple[Any, ...]]


class Installer(Protocol):
    """Puts the guard around a run function, for all tasks that are made of it."""

    def install(self, task_class: type[Task], app: Celery) -> GuardedClass:
        """Guard the tasks of a class that belongs to `app`."""

    def install_inside(self, task: Task) -> None:
        """Guard a task inside the function that ``autoretry_for`` put around it."""


class GuardedClass:
    """One task class that has a guard.

    Arguments:
        origin: the :class:`Installer` that put the guard there.
        spec: the lock configuration of its tasks.
        task_class: the class itself.
        app: the app that the class belongs to.
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
        task = registered_task(app, task_class.name)
        # Weak: a task knows its class, and this hangs on the class.
        self._registered = ref(task) if type(task) is task_class else None

    @property
    def options(self) -> Options:
        """The options of ``@unique``."""
        return self.spec.options

    def called(self, args: tuple[Any, ...], current: Task | None) -> Called:
        """Return spec, task and arguments without the task itself, of a call.

        Arguments:
            current: Celery's current task.
        """
        if self.bound:
            return self.spec, args[0], args[1:]
        if type(current) is self.task_class:
            return self.spec, current, args
        return self.spec, self._task(), args

    def _task(self) -> Any:
        task: Any = registered_task(self.app, self.task_class.name)
        found = guarded_class_in(type(task))
        if found is not None and found.origin is self.origin:
            return task
        # The user took the task out of the registry, and calls it all the same.
        before = self._registered() if self._registered is not None else None
        return self.task_class() if before is None else before


def guarded_class_in(task_class: type[Any]) -> GuardedClass | None:
    """Return the guard of exactly this class, not of a parent; None without one."""
    found: GuardedClass | None = vars(task_class).get(GUARDED)
    return found


def registered_task(app: Celery, name: str) -> Any:
    """Return the task that an app has registered under `name`; None without an entry.

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


def guarded_class_of(task: Any, app: Celery | None = None) -> GuardedClass | None:
    """Return the guarded class of a task, installing its guard if that is pending.

    All code that needs a guard asks here. Celery registers a task before it binds it,
    and binding installs the guard, so another thread may meet the task in between::

        one thread      registers the task        binds it: installs the guard
        another                         delay()

    Arguments:
        task: a task, or any other object, for which the answer is None.
        app: of the task, where that is not bound yet.
    """
    task_class = task.__class__
    found = guarded_class_in(task_class)
    if found is not None:
        return found
    installer = _installer_of(task_class)
    if installer is None:
        return None
    with _installing:
        found = guarded_class_in(task_class)
        if found is None:
            found = installer.install(task_class, app or task.app)
    if "_orig_run" in vars(task):
        installer.install_inside(task)
    return found


def install_guard(task_class: type[Task], app: Celery) -> None:
    """Guard the tasks of a class that is about to be bound to `app`, if pending."""
    installer = _installer_of(task_class)
    if installer is None:
        return
    with _installing:
        found = guarded_class_in(task_class)
        if found is None or found.app is not app:
            installer.install(task_class, app)


def spec_of(task: Task) -> TaskSpec:
    """Return the spec of a task that has a guard."""
    found = guarded_class_of(task)
    assert found is not None
    return found.spec


def _installer_of(task_class: type[Any]) -> Installer | None:
    run = run_of(task_class)
    return None if run is None else installer_in(function_in(run))


def installer_in(run: Any) -> Installer | None:
    """Return the installer that marks `run`, or a function that `run` wraps."""
    for function in layers_of(run):
        marks = getattr(function, "__dict__", {})
        found: Installer | None = marks.get(GUARDED) or marks.get(PENDING)
        if found is not None:
            return found
    return None


def _renew_mutex() -> None:
    """Start anew in a fork: the thread that held the mutex is not there."""
    global _installing
    _installing = RLock()


in_forks(_renew_mutex)
