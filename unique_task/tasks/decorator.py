"""The decorator ``@unique``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from celery import Task, _state
from celery.local import PromiseProxy, Proxy

from ..backends.base import Backend
from ..durations import Duration
from ..exceptions import ConfigurationError
from ..keys.key_option import KeyOption
from ..options.guarded_class import (
    PENDING,
    guarded_class_of,
    installer_in,
    registered_task,
)
from ..options.option_types import LimitOption, LockName, PolicyOption
from ..options.run_function import function_in, without_celery
from ..options.task_options import Options, options_from
from .lazy_tasks import Definition, definition_of
from .typed import UniqueTask
from .wrapping import Wrapping

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")


class Decorator(Protocol):
    """Takes and returns a function, or a task."""

    @overload
    def __call__(self, function: Task[P, R], /) -> UniqueTask[P, R]: ...

    @overload
    def __call__(self, function: F, /) -> F: ...


@overload
def unique(function: Task[P, R], /) -> UniqueTask[P, R]: ...


@overload
def unique(function: F, /) -> F: ...


@overload
def unique(
    function: None = None,
    /,
    *,
    key: KeyOption = None,
    expire: Duration | None = None,
    on_duplicate: PolicyOption | None = None,
    lock: LockName | None = None,
    limit: LimitOption = None,
    renew: bool | None = None,
    namespace: str | None = None,
    backend: Backend | str | None = None,
) -> Decorator: ...


def unique(function: Any = None, /, **options: Any) -> Any:
    """Let no two equal calls of a Celery task run at once.

    Stands below or above ``@app.task``, with or without options.

    Arguments:
        key: what makes two calls equal. None: all parameters. ``"order:{order_id}"``: a
            template. ``["tenant", "order_id"]``: these parameters. A callable: it gets
            the arguments, without ``self``, and returns a string or plain data. Another
            string, or ``()``: one lock for the task.
        expire: seconds (int, float, timedelta) a lock stands when nothing renews it;
            default ``unique_expire``, 3600.
        on_duplicate: ``"ignore"`` (default, ``unique_on_duplicate``), ``"skip"``,
            ``"cached"``, ``"retry"``, ``"raise"``, a policy object such as
            ``retry(countdown=5)``, a callable that gets the :class:`Duplicate`, or
            ``{"publish": ..., "run": ...}``.
        lock: from when to when the lock is held: ``"while_executing"`` (default,
            ``unique_lock``), ``"until_executing"``, ``"until_executed"``,
            ``"until_expired"`` or ``"until_and_while_executing"``.
        limit: how many equal calls may hold the lock at once, 1 (default) or more. A
            callable gets the arguments as that of `key` does, and returns the number.
            Not with ``"cached"`` or ``"replace"``.
        renew: hold the lock by short leases that are renewed while the body runs;
            default ``unique_renew``, True.
        namespace: tasks with one namespace share their locks; default: the task's name.
        backend: where this task's locks live, a URL or a backend object; default: see
            ``unique_backend``.

    Raises:
        ConfigurationError: for an option with a value that is not allowed.

    Example::

        @app.task
        @unique(key="{order_id}", on_duplicate="retry")
        def charge(order_id, note=""): ...
    """
    if function is None:
        return functools.partial(_decorate, options_from(options, "unique"))
    if options or not callable(function):
        raise ConfigurationError(
            f"unique({function!r}): options are given by name, as in @unique(key=...)"
        )
    return _decorate(Options(), function)


def _decorate(options: Options, target: Any) -> Any:
    # By type(), because isinstance() would make a lazy task, and configure its app.
    if type(target) in (PromiseProxy, Proxy) or isinstance(target, Task):
        return _guard_task(options, target)
    if isinstance(target, type):
        raise ConfigurationError(
            f"@unique on the class {target.__qualname__}: put it on its run() method, "
            "or derive the class from UniqueCeleryTask"
        )
    if not callable(target):
        raise ConfigurationError(f"@unique on {target!r}: put it on a function")
    _refuse_second(target)
    _refuse_lazy_body(target)
    return Wrapping(options, target).wrap(target)


def _guard_task(options: Options, task: Any) -> Any:
    function = _function_of(task)
    _refuse_second(function)
    _refuse_lazy_body(function)
    wrapping = Wrapping(options, function)
    setattr(function, PENDING, wrapping)
    for made in _existing_tasks(task, function):
        guarded_class_of(made)
    return task


def _existing_tasks(task: Any, function: Any) -> Iterator[Task]:
    """Yield the tasks that Celery has made of `task` already.

    A shared task is a separate task in each app, with the same name.
    """
    known = definition_of(task)
    if known is None:
        known = Definition(function, {"name": task.name})
        yield task
    for app in _active_apps():
        made = registered_task(app, known.name(app))
        if issubclass(type(made), Task):
            yield made


def _active_apps() -> Any:
    return getattr(_state, "_get_active_apps")()


def _refuse_second(function: Callable[..., Any]) -> None:
    if installer_in(function):
        raise ConfigurationError(
            f"{function.__qualname__}() has @unique already: remove one of the two"
        )


def _refuse_lazy_body(function: Callable[..., Any]) -> None:
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isasyncgenfunction,
        inspect.isgeneratorfunction,
    )
    if any(is_kind(function) for is_kind in kinds):
        raise ConfigurationError(
            f"{function.__qualname__}() is a coroutine or generator: its body would "
            "run after the lock is released; let a plain function run it"
        )


def _function_of(task: Any) -> Any:
    """Return the function of a task, also of a lazy one, which stays lazy."""
    made = definition_of(task)
    if made is not None:
        return made.function
    run = inspect.getattr_static(task.__class__, "run")
    if installer_in(function_in(run)):
        return function_in(run)
    # Celery may have put wrappers around it: annotations, validation by pydantic.
    return without_celery(function_in(vars(task.__class__).get("__wrapped__", run)))
