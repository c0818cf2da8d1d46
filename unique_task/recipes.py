"""What people want of unique tasks, by the names they have for it.

Each recipe returns a decorator like :func:`unique_task.unique`, and is no more than
that with the options that do it; the others may be added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .decorator import unique
from .duplicate import Policy
from .durations import Duration
from .keys import KeyOption
from .policies import cached, replace, retry

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Takes and returns a function, or a task."""

    def __call__(self, function: F, /) -> F: ...


def singleton(**options: Any) -> Decorator:
    """One run of the task at a time, whatever its arguments; others are ignored.

    Example::

        @app.task
        @singleton()
        def rebuild_index(): ...
    """
    return unique(key=(), **options)


def single_flight(ttl: Duration | None = None, **options: Any) -> Decorator:
    """Many ask, one works, all get its value.

    Arguments:
        ttl: seconds for which the value is given to those that come later.

    Example::

        @app.task
        @single_flight(ttl=60)
        def exchange_rate(currency): ...
    """
    return unique(on_duplicate=cached(ttl), **options)


def throttle(period: Duration, **options: Any) -> Decorator:
    """Run at most once in `period` seconds; the first call of a period runs.

    What runs longer than that, or is behind in its queue, may still run when the next
    period begins.

    Example::

        @app.task
        @throttle(60, key="{user_id}")
        def remind(user_id): ...
    """
    return unique(lock="until_expired", expire=period, **options)


def debounce(
    quiet: Duration, *, max_wait: Duration | None = None, **options: Any
) -> Decorator:
    """Run once when nobody has called for `quiet` seconds, with the latest arguments.

    Arguments:
        max_wait: seconds after the first call after which it runs in any case.

    Example::

        @app.task
        @debounce(5, max_wait=60, key="{document_id}")
        def index(document_id, text): ...
    """
    policy = replace(countdown=quiet, max_wait=max_wait)
    return unique(lock="until_executing", on_duplicate=policy, **options)


def once_more(wait: Policy | None = None, **options: Any) -> Decorator:
    """Run one at a time, and once more if there were calls in the meantime.

    One call at most waits in the queue, and it starts after the last of those that were
    ignored for its sake: no call's effect is missed.

    Arguments:
        wait: how what waits looks again, ``retry()`` if not said.

    Example::

        @app.task
        @once_more(key="{account_id}")
        def synchronize(account_id): ...
    """
    policies = {"publish": "ignore", "run": wait or retry()}
    return unique(lock="until_and_while_executing", on_duplicate=policies, **options)


def no_overlap(
    namespace: str, key: KeyOption = (), wait: Policy | None = None, **options: Any
) -> Decorator:
    """Let no two of several tasks run at once; those that come later wait.

    Arguments:
        namespace: the tasks share it.
        key: what has to be equal besides, as in :func:`unique_task.unique`.
        wait: how what waits looks again, ``retry()`` if not said.

    Example::

        @app.task
        @no_overlap("ledger", key="{account_id}")
        def book(account_id, amount): ...

        @app.task
        @no_overlap("ledger", key="{account_id}")
        def close_month(account_id): ...
    """
    policy = wait or retry()
    return unique(namespace=namespace, key=key, on_duplicate=policy, **options)
