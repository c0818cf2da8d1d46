"""The option ``limit=``: how many attempts may hold one key at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from ..exceptions import ConfigurationError, UniqueLimitError
from ..keys.arguments import Parameters
from .policies import Cached, Replace
from .policy_names import Policies

#: The option, once the default is applied.
Limit = Union[int, Callable[..., int]]

#: More than any store holds; a message that asks for more is refused.
_MOST = 10**9

_ALLOWED = f"whole numbers from 1 to {_MOST}"


def check_limit(value: Any) -> None:
    """Raise ConfigurationError if `value` is no limit."""
    if value is not None and not callable(value) and not _is_limit(value):
        raise ConfigurationError(
            f"limit={value!r}: allowed are {_ALLOWED}, and a callable that returns one"
        )


def check_limit_of_call(value: Any) -> None:
    """Raise ConfigurationError if one call may not ask for this limit."""
    if callable(value):
        raise ConfigurationError(
            f"limit={value!r} for one call: a callable cannot travel in a message; "
            "give the number, or give the callable to @unique"
        )
    check_limit(value)


def check_limit_with(limit: Any, policies: Policies) -> None:
    """Raise ConfigurationError for a policy that needs a key with one holder."""
    if limit in (None, 1):
        return
    for policy in (policies.publish, policies.run):
        if isinstance(policy, (Cached, Replace)):
            name = type(policy).__name__.lower()
            raise ConfigurationError(
                f"limit={limit!r} with on_duplicate={name!r}: that policy needs to "
                'know the one holder of a key; use limit=1, or "ignore", "skip", '
                '"retry", "raise" or a callable'
            )


def limit_of_call(
    limit: Limit, parameters: Parameters, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> int:
    """Return the limit of a call with these arguments.

    Arguments:
        parameters: of the task, without ``self``.

    Raises:
        UniqueLimitError: if the user's callable raises, or returns no limit.
        TypeError: if the arguments do not fit the task.
    """
    if not callable(limit):
        return limit
    args, kwargs = parameters.as_called(parameters.bind(args, kwargs))
    try:
        value: Any = limit(*args, **kwargs)
    except Exception as error:
        raise UniqueLimitError(f"limit callable {limit!r} raised {error!r}") from error
    if not _is_limit(value):
        raise UniqueLimitError(
            f"limit callable {limit!r} returned {value!r}: allowed are {_ALLOWED}"
        )
    return int(value)


def _is_limit(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MOST
