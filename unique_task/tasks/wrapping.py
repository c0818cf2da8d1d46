"""Puts the guard around the run function of a task, however the task is made."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary, ref

from celery import Celery, Task
from celery._state import get_current_task

from ..exceptions import ConfigurationError
from ..keys.arguments import Parameters, signature_of
from ..messages.stamp import stamp_messages_of
from ..options.guarded_class import (
    GUARDED,
    PENDING,
    Called,
    GuardedClass,
    guarded_class_in,
)
from ..options.run_function import function_in, layers_of, without_celery
from ..options.task_options import Options
from ..options.task_spec import TaskSpec
from ..running.call import call_of
from ..running.guard import run_guarded
from .autoretry import leave_after_autoretry
from .methods import guarded_apply, guarded_on_replace, guarded_retry
from .run_hooks import hook_runs
from .validation import models_by, validator_in


class Wrapping:
    """Puts the guard around one function, for all tasks that are made of it.

    Arguments:
        options: of ``@unique``.
        function: the task's function as its author wrote it.
        spec_class: class of the lock configuration of its tasks.

    Raises:
        ConfigurationError: if ``key=`` or ``limit=`` does not fit the function's
            parameters.
    """

    def __init__(
        self,
        options: Options,
        function: Callable[..., Any],
        spec_class: type[TaskSpec] = TaskSpec,
    ) -> None:
        options.check_parameters(function)
        self.options = options
        self.function = function
        self.spec_class = spec_class
        self._specs: dict[tuple[bool, Any], TaskSpec] = {}
        self._last_guarded: ref[GuardedClass] | None = None
        # From each function with the guard around it to the function inside.
        self._unguarded: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def wrap(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return `run` with the guard around it, to make tasks of it.

        Name, doc and signature stay.
        """
        return self._guarded(run, self._called)

    def install(self, task_class: type[Task], app: Celery) -> GuardedClass:
        """Guard the tasks of a class that belongs to `app`.

        It does no harm to guard a class twice. A class may be bound already.
        """
        hook_runs()
        raw = inspect.getattr_static(task_class, "run")
        plain = isinstance(vars(task_class).get("__wrapped__", raw), staticmethod)
        run = function_in(raw)
        self.options.check_parameters(self.function, bound=not plain)
        inside = self._unguarded[run] if run in self._unguarded else run
        spec = self._spec(bound=not plain, validator=validator_in(inside))
        guarded_class = GuardedClass(self, spec, task_class, app, bound=not plain)
        guarded = self._for_class(run, guarded_class)
        if guarded is not run:
            setattr(task_class, "run", staticmethod(guarded) if plain else guarded)
        if "__header__" in vars(task_class):
            _check_as_without(task_class, app, inside, bound=not plain)
        stamp_messages_of(task_class.name)
        if guarded_class_in(task_class) is None:
            _wrap_methods(task_class)
        self._last_guarded = ref(guarded_class)
        # Last: a thread that finds this finds the rest too.
        setattr(task_class, GUARDED, guarded_class)
        return guarded_class

    def install_inside(self, task: Task) -> None:
        """Guard the run function of a task inside of its ``autoretry_for``."""
        guarded = inspect.getattr_static(type(task), "run")
        setattr(task, "_orig_run", guarded.__get__(task, type(task)))
        leave_after_autoretry(task)

    def _for_class(
        self, run: Callable[..., Any], guarded_class: GuardedClass
    ) -> Callable[..., Any]:
        if run in self._unguarded:  # a function that several classes share
            run = self._unguarded[run]
        elif any(layer in self._unguarded for layer in layers_of(run)):
            return run  # Celery has put something around it
        return self._guarded(run, guarded_class.called)

    def _spec(self, bound: bool, validator: Any = None) -> TaskSpec:
        kind = bound, validator
        if kind not in self._specs:
            models = models_by(validator) if validator else {}
            function = without_celery(self.function)
            parameters = Parameters(function, bound=bound, models=models)
            # Two threads may make it; all use one.
            self._specs.setdefault(kind, self.spec_class(self.options, parameters))
        return self._specs[kind]

    def _guarded(
        self,
        run: Callable[..., Any],
        called: Callable[[tuple[Any, ...], Task | None], Called],
    ) -> Callable[..., Any]:
        def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            current: Task | None = get_current_task()
            spec, task, own = called(args, current)
            call = call_of(task, current, own, kwargs, lambda: run(*args, **kwargs))
            return run_guarded(spec, call)

        guarded = _stand_in(run, enter)
        guarded.__dict__.pop(PENDING, None)
        setattr(guarded, GUARDED, self)
        self._unguarded[guarded] = run
        return guarded

    def _called(self, args: tuple[Any, ...], current: Task | None) -> Called:
        """Return spec, task and arguments of a call of the function itself."""
        guarded_class = guarded_class_in(type(current))
        if guarded_class is None or guarded_class.origin is not self:
            guarded_class = (
                self._last_guarded() if self._last_guarded is not None else None
            )
        if guarded_class is not None:
            return guarded_class.called(args, current)
        if args and getattr(args[0], "__bound__", False):
            # The run() of a parent class, called by a task of a class below it.
            return self._spec(bound=True), args[0], args[1:]
        raise ConfigurationError(
            f"{self.function.__qualname__}() has @unique, but is not a Celery task: "
            "put @app.task above it"
        )


def _stand_in(
    function: Callable[..., Any],
    enter: Callable[[tuple[Any, ...], dict[str, Any]], Any],
) -> Callable[..., Any]:
    """Return a function that calls `enter`, and looks like `function`.

    It has the name, doc, signature, hints and global names of `function`.
    ``typing.get_type_hints()`` and Celery's ``pydantic=True`` evaluate hints that are
    texts with the global names of the function. They must be those of the author's
    module, not of this one.
    """

    def called(*args: Any, **kwargs: Any) -> Any:
        return enter(args, kwargs)  # uses no global names: they are not ours

    names = getattr(inspect.unwrap(function), "__globals__", called.__globals__)
    code, cells = called.__code__, called.__closure__
    stand_in = functools.wraps(function)(FunctionType(code, names, closure=cells))
    # Celery checks the arguments of delay() by the signature of what it decorates.
    setattr(stand_in, "__signature__", signature_of(function))
    # Celery unwraps a function with this attribute when it applies "@run" annotations.
    del stand_in.__wrapped__
    return stand_in


def _wrap_methods(task_class: type[Task]) -> None:
    setattr(task_class, "retry", guarded_retry(task_class.retry))
    setattr(task_class, "on_replace", guarded_on_replace(task_class.on_replace))
    setattr(task_class, "apply", guarded_apply(task_class.apply))


def _check_as_without(
    task_class: type[Task], app: Celery, run: Any, bound: bool
) -> None:
    """Have ``delay()`` check the arguments as it would without a guard.

    Celery does not look through decorators. Its own wrapper for pydantic takes all
    arguments, but the guard shows the signature of the author's function.
    """
    if "__wrapped__" in getattr(run, "__dict__", {}):
        if validator_in(run):  # it has copied the signature of the guard
            vars(run).pop("__signature__", None)
        setattr(task_class, "__header__", app.type_checker(run, bound=bound))
