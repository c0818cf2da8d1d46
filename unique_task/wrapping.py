"""Where the guard sits: around the run function of a task, however the task is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary, ref

from celery import Celery, Task
from celery._state import get_current_task

from .arguments import Parameters
from .autoretry import leave_after_autoretry, no_autoretry
from .calls import call_of
from .eager import guarded_apply
from .exceptions import ConfigurationError
from .forks import in_forks
from .guard import Guard
from .home import GUARDED as GUARDED
from .home import Home, home_in
from .messages import mark_messages
from .options import Options
from .replacing import leave_before
from .run_function import function_in, layers_of, run_of, without_celery
from .stand_in import at_home_with
from .validation import models_by, validator_in

#: Attribute of a function whose tasks get the guard as soon as they exist.
PENDING = "__unique_pending__"

_installing = RLock()


class Wrapping:
    """Puts the guard around one function, for all tasks that are made of it.

    Arguments:
        options: of ``@unique``.
        function: the task's own, as its author wrote it.
        guard_class: makes the guard.

    Raises:
        ConfigurationError: if ``key=`` does not fit the function's parameters.
    """

    def __init__(
        self,
        options: Options,
        function: Callable[..., Any],
        guard_class: type[Guard] = Guard,
    ) -> None:
        options.check_key(function)
        self.options = options
        self.function = function
        self.guard_class = guard_class
        self._guards: dict[tuple[bool, Any], Guard] = {}
        self._latest: ref[Home] | None = None
        # Each function with the guard around it, and what lies inside.
        self._inside: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def wrap(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return `run` with the guard around it, for tasks to be made of it.

        Name, doc and signature stay.
        """
        return self._guarded(run, self._called)

    def install(self, task_class: type[Task], app: Celery) -> Home:
        """Guard the tasks of a class that belongs to `app`; return its home.

        The same class again does no harm.
        """
        raw = inspect.getattr_static(task_class, "run")
        plain = isinstance(vars(task_class).get("__wrapped__", raw), staticmethod)
        run = function_in(raw)
        self.options.check_key(self.function, bound=not plain)
        inside = self._inside[run] if run in self._inside else run
        guard = self._guard(bound=not plain, validator=validator_in(inside))
        home = Home(self, guard, task_class, app, bound=not plain)
        guarded = self._for_home(run, home)
        if guarded is not run:
            setattr(task_class, "run", staticmethod(guarded) if plain else guarded)
        if "__header__" in vars(task_class):
            _check_as_without(task_class, app, inside, bound=not plain)
        mark_messages(task_class.name)
        if home_in(task_class) is None:
            setattr(task_class, "retry", no_autoretry(task_class.retry))
            setattr(task_class, "on_replace", leave_before(task_class.on_replace))
            setattr(task_class, "apply", guarded_apply(task_class.apply, rules_of))
        self._latest = ref(home)
        # Last: who finds it finds all the rest.
        setattr(task_class, GUARDED, home)
        return home

    def _for_home(self, run: Callable[..., Any], home: Home) -> Callable[..., Any]:
        if run in self._inside:  # the function of several classes: to each its own
            run = self._inside[run]
        elif any(layer in self._inside for layer in layers_of(run)):
            return run  # Celery has put something around it
        return self._guarded(run, lambda args: (home.guard, *home.called(args)))

    def _guard(self, bound: bool, validator: Any = None) -> Guard:
        kind = bound, validator
        if kind not in self._guards:
            models = models_by(validator) if validator else {}
            function = without_celery(self.function)
            parameters = Parameters(function, bound=bound, models=models)
            # Two threads may make it; all use one.
            self._guards.setdefault(kind, self.guard_class(self.options, parameters))
        return self._guards[kind]

    def _guarded(
        self,
        run: Callable[..., Any],
        called: Callable[[tuple[Any, ...]], tuple[Guard, Task, tuple[Any, ...]]],
    ) -> Callable[..., Any]:
        def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            guard, task, own = called(args)
            return guard(call_of(task, own, kwargs, lambda: run(*args, **kwargs)))

        guarded = at_home_with(run, enter)
        guarded.__dict__.pop(PENDING, None)
        setattr(guarded, GUARDED, self)
        self._inside[guarded] = run
        return guarded

    def _called(self, args: tuple[Any, ...]) -> tuple[Guard, Task, tuple[Any, ...]]:
        """Return whom a call is for that came to no class's own function."""
        home = home_in(type(get_current_task()))
        if home is None or home.origin is not self:
            home = self._latest() if self._latest is not None else None
        if home is not None:
            return home.guard, *home.called(args)
        if args and getattr(args[0], "__bound__", False):
            # The run() of a parent class, of which no task is made.
            return self._guard(bound=True), args[0], args[1:]
        raise ConfigurationError(
            f"{self.function.__qualname__}() has @unique and is no Celery task: "
            "put @app.task above it"
        )


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
    wrapping = wrapping_in(function_in(run_of(task_class)))
    if wrapping is None:
        return None
    with _installing:
        home = home_in(task_class)
        if home is None:
            home = wrapping.install(task_class, app or task.app)
    if "_orig_run" in vars(task):  # made by autoretry_for
        guarded = inspect.getattr_static(task_class, "run")
        task._orig_run = guarded.__get__(task, task_class)
        leave_after_autoretry(task)
    return home


def install_in(task_class: type[Task], app: Celery) -> None:
    """Guard the tasks of a class that is about to be bound to `app`, if it has one."""
    wrapping = wrapping_in(function_in(run_of(task_class)))
    if wrapping is None:
        return
    with _installing:
        home = home_in(task_class)
        if home is None or home.app is not app:
            wrapping.install(task_class, app)


def rules_of(task: Task) -> Guard:
    """Return the rules of a task that has a guard."""
    home = home_of(task)
    assert home is not None
    return home.guard


def wrapping_in(run: Any) -> Wrapping | None:
    """Return the wrapping that `run`, or what it wraps, has or waits for."""
    for function in layers_of(run):
        marks = getattr(function, "__dict__", {})
        found: Wrapping | None = marks.get(GUARDED) or marks.get(PENDING)
        if found is not None:
            return found
    return None


def _check_as_without(
    task_class: type[Task], app: Celery, run: Any, bound: bool
) -> None:
    """Have ``delay()`` check the arguments as it would without a guard.

    Celery does not look through decorators, its own for pydantic among them, which
    takes all arguments. The guard tells the signature of the function inside.
    """
    if "__wrapped__" in getattr(run, "__dict__", {}):
        if validator_in(run):  # it has taken over what the guard says
            vars(run).pop("__signature__", None)
        setattr(task_class, "__header__", app.type_checker(run, bound=bound))


def _no_lock_is_held() -> None:
    """Start anew in a fork: the thread that held the lock is not there."""
    global _installing
    _installing = RLock()


in_forks(_no_lock_is_held)
