"""What the options of ``@unique`` may be, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypedDict, Union

from ..backends.base import Backend
from ..durations import Duration
from ..keys.key_option import KeyOption
from .duplicate import Policy

#: What the option ``limit=`` takes; None means one. A callable gets the arguments of
#: the call.
LimitOption = Union[int, Callable[..., int], None]

#: The lock types by name; :data:`.lock_types.LOCK_TYPES` has what they mean.
LockName = Literal[
    "while_executing",
    "until_executing",
    "until_executed",
    "until_expired",
    "until_and_while_executing",
]

#: The policies that a call which is to run may meet, by name.
RunPolicyName = Literal["ignore", "skip", "cached", "retry", "raise"]

#: The policies by name; ``"replace"`` is for messages that have not started.
PolicyName = Union[RunPolicyName, Literal["replace"]]


class PolicyPair(TypedDict, total=False):
    """A policy for duplicates at publish, and one for those at run."""

    publish: PolicyName | Policy
    run: RunPolicyName | Policy


#: What the option ``on_duplicate=`` takes.
PolicyOption = Union[PolicyName, Policy, PolicyPair]


class _Common(TypedDict, total=False):
    renew: bool | None
    backend: Backend | str | None


class _Key(TypedDict, total=False):
    key: KeyOption


class _Expire(TypedDict, total=False):
    expire: Duration | None


class _Policy(TypedDict, total=False):
    on_duplicate: PolicyOption | None


class _Lock(TypedDict, total=False):
    lock: LockName | None


class _Limit(TypedDict, total=False):
    limit: LimitOption


class _Namespace(TypedDict, total=False):
    namespace: str | None


class ClassOptions(_Key, _Policy, _Lock, _Limit, _Namespace, _Common, total=False):
    """``unique_options`` of a :class:`.UniqueCeleryTask`."""


class SingletonOptions(
    _Expire, _Policy, _Lock, _Limit, _Namespace, _Common, total=False
):
    """The options that :func:`.recipes.singleton` leaves open."""


class SingleFlightOptions(_Key, _Expire, _Lock, _Namespace, _Common, total=False):
    """The options that :func:`.recipes.single_flight` leaves open."""


class AtMostOptions(_Expire, _Namespace, _Common, total=False):
    """The options that :func:`.recipes.at_most` leaves open."""


class ThrottleOptions(_Key, _Policy, _Namespace, _Common, total=False):
    """The options that :func:`.recipes.throttle` leaves open."""


class DebounceOptions(_Key, _Expire, _Namespace, _Common, total=False):
    """The options that :func:`.recipes.debounce` leaves open."""


class OnceMoreOptions(_Key, _Expire, _Limit, _Namespace, _Common, total=False):
    """The options that :func:`.recipes.once_more` leaves open."""


class NoOverlapOptions(_Expire, _Lock, _Limit, _Common, total=False):
    """The options that :func:`.recipes.no_overlap` leaves open."""


class OptionsOfCall(_Expire, _Policy, _Lock, total=False):
    """The options that one call may override: ``unique={...}``."""

    limit: int | None
    renew: bool | None


#: What ``apply_async(..., unique=...)`` takes.
CallOption = Union[bool, Literal["successor"], OptionsOfCall, None]
