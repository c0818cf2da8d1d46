"""Ready-made decorators: singleton, throttle, debounce and others.

Each recipe is :func:`unique_task.unique` with some options set; it takes the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

from celery import Task
from celery.local import Proxy

from .durations import Duration, seconds
from .exceptions import ConfigurationError
from .keys.key_option import KeyOption
from .options.duplicate import Policy
from .options.policies import cached, replace, retry
from .tasks.decorator import unique

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Takes and returns a function, or a task."""

    def __call__(self, function: F, /) -> F: ...


@overload
def singleton(function: F, /) -> F: ...


@overload
def singleton(**options: Any) -> Decorator: ...


def singleton(function: Any = None, /, **options: Any) -> Any:
    """One run of the task at a time, whatever its arguments; others are ignored.

    Example::

        @app.task
        @singleton
        def rebuild_index(): ...
    """
    if function is not None and not _is_task(function):
        raise ConfigurationError(
            f"singleton({function!r}): options are given by name, as in "
            "@singleton(expire=60)"
        )
    return _on(function, _recipe("singleton", options, key=()))


@overload
def single_flight(function: F, /) -> F: ...


@overload
def single_flight(ttl: Duration | None = None, **options: Any) -> Decorator: ...


def single_flight(ttl: Any = None, **options: Any) -> Any:
    """Run once for equal calls at one time; all get the value of that run.

    Arguments:
        ttl: seconds for which later calls get the value.

    Example::

        @app.task
        @single_flight(ttl=60)
        def exchange_rate(currency): ...
    """
    function, ttl = (ttl, None) if _is_task(ttl) else (None, ttl)
    decorate = _recipe("single_flight", options, on_duplicate=cached(ttl))
    return _on(function, decorate)


def throttle(period: Duration, **options: Any) -> Decorator:
    """Run at most once in `period` seconds; the first call of a period runs.

    A run that takes longer, or starts late, may still run when the next period begins.

    Example::

        @app.task
        @throttle(60, key="{user_id}")
        def remind(user_id): ...
    """
    period = _time("throttle", "period", period)
    return _recipe("throttle", options, lock="until_expired", expire=period)


def debounce(
    quiet: Duration, *, max_wait: Duration | None = None, **options: Any
) -> Decorator:
    """Run once after `quiet` seconds without a call, with the latest arguments.

    Arguments:
        max_wait: it runs at the latest so many seconds after the first call.

    Example::

        @app.task
        @debounce(5, max_wait=60, key="{document_id}")
        def index(document_id, text): ...
    """
    quiet = _time("debounce", "quiet", quiet)
    policy = replace(countdown=quiet, max_wait=max_wait)
    return _recipe("debounce", options, lock="until_executing", on_duplicate=policy)


@overload
def once_more(function: F, /) -> F: ...


@overload
def once_more(
    policy: Policy | None = None, /, *, wait: Policy | None = None, **options: Any
) -> Decorator: ...


def once_more(function: Any = None, /, *, wait: Any = None, **options: Any) -> Any:
    """Run one at a time, and once more if there were calls in the meantime.

    At most one call waits in the queue. It starts after the last call that was ignored
    in its favour, so the effect of no call is missed.

    Arguments:
        wait: how the waiting call retries; default ``retry()``. A function of your
            own must be given by name.

    Example::

        @app.task
        @once_more(key="{account_id}")
        def synchronize(account_id): ...
    """
    if function is not None and not _is_task(function):
        function, wait = None, function
    lock = "until_and_while_executing"
    policies = {"publish": "ignore", "run": wait or retry()}
    decorate = _recipe("once_more", options, lock=lock, on_duplicate=policies)
    return _on(function, decorate)


def no_overlap(
    namespace: str, key: KeyOption = (), wait: Policy | None = None, **options: Any
) -> Decorator:
    """Let only one of several tasks run at a time; later calls wait.

    Arguments:
        namespace: a name that the tasks share.
        key: what else must be equal, as in :func:`unique_task.unique`.
        wait: how the waiting call retries; default ``retry()``.

    Example::

        @app.task
        @no_overlap("ledger", key="{account_id}")
        def book(account_id, amount): ...

        @app.task
        @no_overlap("ledger", key="{account_id}")
        def close_month(account_id): ...
    """
    if _is_task(namespace):
        raise ConfigurationError(
            "@no_overlap without parentheses: give the name that the tasks "
            'share, as in @no_overlap("ledger")'
        )
    policy = wait or retry()
    options = {**options, "namespace": namespace, "key": key}
    return _recipe("no_overlap", options, on_duplicate=policy)


def _recipe(name: str, options: dict[str, Any], **own: Any) -> Decorator:
    """Return ``unique`` with the options of a recipe and those of its user.

    Raises:
        ConfigurationError: for an option that the recipe itself sets.
    """
    for option in own.keys() & options.keys():
        raise ConfigurationError(
            f"{name}({option}={options[option]!r}): the recipe is {option}="
            f"{own[option]!r}; for another, use @unique(...) with its other options"
        )
    return unique(**own, **options)


def _on(function: Any, decorate: Decorator) -> Any:
    """Decorate the function, if there is one; else return the decorator."""
    return decorate if function is None else decorate(function)


def _time(recipe: str, name: str, value: Any) -> float:
    if _is_task(value):
        raise ConfigurationError(
            f"@{recipe} without parentheses: give the seconds, as in @{recipe}(60)"
        )
    return seconds(name, value)


def _is_task(value: Any) -> bool:
    """Tell whether a recipe without parentheses got this: a function or a task.

    A lazy task, which is a proxy, stays lazy.
    """
    return (
        issubclass(type(value), Proxy)
        or isinstance(value, (Task, type))
        or inspect.isroutine(value)
    )
