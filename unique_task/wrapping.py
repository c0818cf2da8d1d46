"""Where the guard sits: around the run function of a task, however the task is made."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from celery import Celery, Task
from celery._state import get_current_task

from .arguments import Parameters, models_of, signature_of
from .calls import call_of
from .eager import guarded_apply
from .exceptions import ConfigurationError
from .exits import no_autoretry
from .guard import Guard
from .messages import mark_messages
from .options import Options

#: Attribute of a run function that has the guard around it: its :class:`Wrapping`.
GUARDED = "__unique__"

#: Attribute of a function whose tasks get the guard as soon as they exist.
PENDING = "__unique_pending__"


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
        self.run = function
        self._home: tuple[Celery, str] | None = None
        self._face: Callable[..., Any] | None = None
        self._bound = False
        self._validated = False

    @functools.cached_property
    def guard(self) -> Guard:
        """The guard; it is made when it is known whether the task is bound."""
        models = models_of(self.function) if self._validated else {}
        parameters = Parameters(self.function, bound=self._bound, models=models)
        return self.guard_class(self.options, parameters)

    def wrap(
        self, run: Callable[..., Any], home: tuple[Celery, str] | None = None
    ) -> Callable[..., Any]:
        """Return `run` with the guard around it; name, doc and signature stay.

        Arguments:
            home: app and name of the task that it becomes a part of, once there is one.
        """
        self.run = run
        self._validated = self._validated or _is_pydantic(run)

        @functools.wraps(run)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            task, own = self._called(home, args)
            return self.guard(call_of(task, own, kwargs, lambda: run(*args, **kwargs)))

        # Celery checks the arguments of delay() by the signature of what it decorates.
        guarded.__signature__ = signature_of(run)  # type: ignore[attr-defined]
        # Celery takes off what has this attribute when it applies "@run" annotations.
        del guarded.__wrapped__
        guarded.__dict__.pop(PENDING, None)
        setattr(guarded, GUARDED, self)
        if home is None:
            self._face = guarded
        return guarded

    def install(self, task_class: type[Task], app: Celery) -> None:
        """Guard the tasks of a class that Celery has just bound to `app`."""
        raw = inspect.getattr_static(task_class, "run")
        plain = isinstance(vars(task_class).get("__wrapped__", raw), staticmethod)
        run = function_in(raw)
        self._bound = not plain
        self._validated = self._validated or _is_pydantic(run)
        self.options.check_key(self.function, bound=self._bound)
        self._home = app, task_class.name
        guarded = None
        if wrapping_in(run, GUARDED) is not self:
            guarded = self.wrap(run, self._home)
        elif run is self._face:  # the function of several apps: to each its own
            guarded = self.wrap(self.run, self._home)
        if guarded is not None:
            setattr(task_class, "run", staticmethod(guarded) if plain else guarded)
        setattr(task_class, GUARDED, self)
        mark_messages(task_class.name)
        setattr(task_class, "retry", no_autoretry(task_class.retry))
        setattr(
            task_class, "apply", guarded_apply(task_class.apply, lambda: self.guard)
        )

    def _called(
        self, home: tuple[Celery, str] | None, args: tuple[Any, ...]
    ) -> tuple[Task, tuple[Any, ...]]:
        """Return the task that is called, and its arguments without itself."""
        if self._home is None and args and getattr(args[0], "__bound__", False):
            # The run() of a parent class, of which no task is made.
            self._home, self._bound = (args[0].app, args[0].name), True
        if self._home is None:
            raise ConfigurationError(
                f"{self.function.__qualname__}() has @unique and is no Celery task: "
                "put @app.task above it"
            )
        if self._bound:
            return args[0], args[1:]
        task = get_current_task()
        if home is None and getattr(task, GUARDED, None) is self:
            return task, args
        app, name = home or self._home
        # Not app.tasks, which would finalize an app that is still being set up.
        return getattr(app, "_tasks")[name], args


def rules_of(task: Task) -> Guard:
    """Return what is said of a task that is guarded."""
    guard: Guard = getattr(task, GUARDED).guard
    return guard


def function_in(run: Any) -> Callable[..., Any]:
    """Return the function of a ``run`` as it stands in the class."""
    function: Callable[..., Any] = (
        run.__func__ if isinstance(run, staticmethod) else run
    )
    return function


def wrapping_in(run: Any, attribute: str) -> Wrapping | None:
    """Return the wrapping noted in `attribute` of `run`, or of what that wraps."""
    for function in _layers(run):
        found: Wrapping | None = getattr(function, "__dict__", {}).get(attribute)
        if found is not None:
            return found
    return None


def _is_pydantic(run: Any) -> bool:
    """Tell whether Celery's ``pydantic=True`` wrapper lies around the function."""
    names = (getattr(f, "__globals__", {}).get("__name__") for f in _layers(run))
    return "celery.app.base" in names


def _layers(run: Any) -> Iterator[Any]:
    """Yield `run`, what it wraps, what that wraps, and so on."""
    while run is not None:
        yield run
        run = getattr(run, "__dict__", {}).get("__wrapped__")
