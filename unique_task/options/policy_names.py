"""The option ``on_duplicate=``: from what is written to policies."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..exceptions import ConfigurationError
from ..messages.bounds import LONGEST, LONGEST_PAUSE
from .duplicate import Policy
from .policies import (
    Cached,
    Replace,
    Skip,
    Wait,
    cached,
    fail,
    ignore,
    replace,
    retry,
    skip,
)

#: The short forms of ``on_duplicate=``.
POLICIES: Mapping[str, Policy] = {
    "ignore": ignore,
    "skip": skip(),
    "cached": cached(),
    "retry": retry(),
    "raise": fail,
    "replace": replace(),
}

#: The policies that have parameters, by the names under which they travel.
_KINDS: Mapping[str, type[Any]] = {"skip": Skip, "cached": Cached, "retry": Wait}

#: What makes them, and checks the parameters.
_MADE: Mapping[str, Callable[..., Policy]] = {
    "skip": skip,
    "cached": cached,
    "retry": retry,
}


@dataclass(frozen=True)
class Policies:
    """What a duplicate does when it is published, and when it runs; None: not said."""

    publish: Policy | None = None
    run: Policy | None = None


def policies_from(value: Any, name: str = "on_duplicate") -> Policies:
    """Return what ``on_duplicate=`` says.

    Arguments:
        name: of the option or setting, for the error.

    Raises:
        ConfigurationError: if there is no such policy.
    """
    if not isinstance(value, Mapping):
        policy = _policy_named(value, name)
        return Policies(policy, None if isinstance(policy, Replace) else policy)
    if not value or not value.keys() <= {"publish", "run"}:
        raise ConfigurationError(f'{name}={value!r}: the keys are "publish" and "run"')
    policies = Policies(
        **{when: _policy_named(said, name) for when, said in value.items()}
    )
    if isinstance(policies.run, Replace):
        raise ConfigurationError(
            f"{name}={value!r}: what runs cannot be replaced; "
            '"replace" is for "publish" only'
        )
    return policies


def _policy_named(value: Any, name: str) -> Policy:
    if isinstance(value, str) and value in POLICIES:
        return POLICIES[value]
    if value in (skip, retry, cached, replace):
        raise ConfigurationError(
            f"{name}={value.__name__}: say {value.__name__}(), with parentheses"
        )
    if callable(value):
        policy: Policy = value
        return policy
    raise ConfigurationError(
        f"{name}={value!r}: allowed are {', '.join(map(repr, POLICIES))}, "
        "a policy such as retry(countdown=5), a callable, or "
        '{"publish": ..., "run": ...}'
    )


def written(policy: Policy) -> Any:
    """Return a policy at run as a message can carry it; :func:`read` is the way back.

    Raises:
        ConfigurationError: for a callable.
    """
    for name, known in POLICIES.items():
        if policy == known:
            return name
    for name, kind in _KINDS.items():
        if isinstance(policy, kind):
            return {name: asdict(policy)}
    raise ConfigurationError(
        f"on_duplicate={policy!r} for one call: a callable cannot travel in a message; "
        'name a policy, or say {"publish": ...} for what happens here'
    )


def read(text: Any) -> Policy:
    """Return the policy that :func:`written` wrote.

    Raises:
        ConfigurationError: if there is no such policy here.
    """
    if isinstance(text, str) and text in POLICIES:
        return POLICIES[text]
    try:
        ((name, parameters),) = text.items()
        policy = _MADE[name](**parameters)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise ConfigurationError(
            f"a message asks for on_duplicate={reprlib.repr(text)}, which this version "
            "of unique_task does not know"
        ) from None
    return _bounded(policy)


def _bounded(policy: Policy) -> Policy:
    """Return a policy with no longer times than a message may ask for."""
    if isinstance(policy, Wait):
        return dataclasses.replace(policy, maximum=min(policy.maximum, LONGEST_PAUSE))
    if isinstance(policy, Cached) and policy.ttl is not None:
        return Cached(min(policy.ttl, LONGEST))
    return policy
