"""Ready-made decorators: singleton, throttle, debounce and others.

Each recipe is :func:`unique_task.unique` with some options set; it takes the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from .durations import Duration
from .exceptions import ConfigurationError
from .keys.key_option import KeyOption
from .options import option_types as types
from .options.duplicate import Policy
from .options.policies import cached, replace, retry
from .tasks.decorator import Decorator, F
from .tasks.recipe import decorated, is_task, recipe, recipe_time

if TYPE_CHECKING:
    from celery import Task
    from typing_extensions import Unpack

    from .tasks.decorator import P, R
    from .tasks.typed import UniqueTask


@overload
def singleton(function: Task[P, R], /) -> UniqueTask[P, R]: ...


@overload
def singleton(function: F, /) -> F: ...


@overload
def singleton(**options: Unpack[types.SingletonOptions]) -> Decorator: ...


def singleton(function: Any = None, /, **options: Any) -> Any:
    """One run of the task at a time, whatever its arguments; others are ignored.

    Example::

        @app.task
        @singleton
        def rebuild_index(): ...
    """
    if function is not None and not is_task(function):
        raise ConfigurationError(
            f"singleton({function!r}): options are given by name, as in "
            "@singleton(expire=60)"
        )
    return decorated(function, recipe("singleton", options, key=()))


@overload
def single_flight(function: Task[P, R], /) -> UniqueTask[P, R]: ...


@overload
def single_flight(function: F, /) -> F: ...


@overload
def single_flight(
    ttl: Duration | None = None, **options: Unpack[types.SingleFlightOptions]
) -> Decorator: ...


def single_flight(ttl: Any = None, **options: Any) -> Any:
    """Run once for equal calls at one time; all get the value of that run.

    Arguments:
        ttl: seconds for which later calls get the value.

    Example::

        @app.task
        @single_flight(ttl=60)
        def exchange_rate(currency): ...
    """
    function, ttl = (ttl, None) if is_task(ttl) else (None, ttl)
    decorate = recipe("single_flight", options, on_duplicate=cached(ttl))
    return decorated(function, decorate)


def at_most(
    count: int | None = None,
    /,
    *,
    limit: types.LimitOption = None,
    key: KeyOption = (),
    wait: Policy | None = None,
    **options: Unpack[types.AtMostOptions],
) -> Decorator:
    """Let so many runs go on at once, and no more; later calls wait.

    Arguments:
        count: how many.
        limit: the same by name; or a callable, which gets the arguments.
        key: of which calls: of those with an equal key, as in
            :func:`unique_task.unique`; default: of all calls of the task.
        wait: how a waiting call retries; default ``retry()``.

    Example::

        @app.task
        @at_most(3, key="{tenant}")
        def synchronize(tenant, since): ...
    """
    if is_task(count):
        raise ConfigurationError(
            "@at_most without parentheses: give the number of runs, as in @at_most(3); "
            "give a callable by name, as in @at_most(limit=...)"
        )
    if (count is None) is (limit is None):
        raise ConfigurationError(
            f"at_most({count!r}, limit={limit!r}): give the number of runs once, as in "
            "@at_most(3) or @at_most(limit=3)"
        )
    given = {**options, "limit": count if limit is None else limit, "key": key}
    policy = wait or retry()
    return recipe("at_most", given, lock="while_executing", on_duplicate=policy)


def throttle(
    period: Duration,
    *,
    limit: types.LimitOption = None,
    **options: Unpack[types.ThrottleOptions],
) -> Decorator:
    """Run at most once in `period` seconds; the first call of a period runs.

    A run that takes longer, or starts late, may still run when the next period begins.

    Arguments:
        limit: run so many times in any `period` seconds. A callable gets the arguments.

    Example::

        @app.task
        @throttle(60, key="{user_id}")
        def remind(user_id): ...

        @app.task
        @throttle(60, limit=100, key="{api}")
        def ask(api, question): ...
    """
    period = recipe_time("throttle", "period", period)
    given = {**options, "limit": limit}
    return recipe("throttle", given, lock="until_expired", expire=period)


def debounce(
    quiet: Duration,
    *,
    max_wait: Duration | None = None,
    **options: Unpack[types.DebounceOptions],
) -> Decorator:
    """Run once after `quiet` seconds without a call, with the latest arguments.

    Arguments:
        max_wait: it runs at the latest so many seconds after the first call.

    Example::

        @app.task
        @debounce(5, max_wait=60, key="{document_id}")
        def index(document_id, text): ...
    """
    quiet = recipe_time("debounce", "quiet", quiet)
    policy = replace(countdown=quiet, max_wait=max_wait)
    return recipe("debounce", options, lock="until_executing", on_duplicate=policy)


# A task that takes a duplicate would fit the third form, too.
@overload
def once_more(  # type: ignore[overload-overlap]
    function: Task[P, R], /
) -> UniqueTask[P, R]: ...


@overload
def once_more(function: F, /) -> F: ...


@overload
def once_more(
    policy: Policy | None = None,
    /,
    *,
    wait: Policy | None = None,
    **options: Unpack[types.OnceMoreOptions],
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
    if function is not None and not is_task(function):
        function, wait = None, function
    lock = "until_and_while_executing"
    policies = {"publish": "ignore", "run": wait or retry()}
    decorate = recipe("once_more", options, lock=lock, on_duplicate=policies)
    return decorated(function, decorate)


def no_overlap(
    namespace: str,
    key: KeyOption = (),
    wait: Policy | None = None,
    **options: Unpack[types.NoOverlapOptions],
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
    if is_task(namespace):
        raise ConfigurationError(
            "@no_overlap without parentheses: give the name that the tasks "
            'share, as in @no_overlap("ledger")'
        )
    given = {**options, "namespace": namespace, "key": key}
    return recipe("no_overlap", given, on_duplicate=wait or retry())
