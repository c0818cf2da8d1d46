"""Reads policies: from the option ``on_duplicate=``, and from messages."""

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

#: The short forms of ``on_duplicate=``, which messages carry too: a wire format.
POLICIES: Mapping[str, Policy] = {
    "ignore": ignore,
    "skip": skip(),
    "cached": cached(),
    "retry": retry(),
    "raise": fail,
    "replace": replace(),
}

#: The policies that have parameters, by name: their class, and what makes and checks
#: them. Messages carry these names and the fields of the classes: a wire format.
_WITH_PARAMETERS: Mapping[str, tuple[type[Any], Callable[..., Policy]]] = {
    "skip": (Skip, skip),
    "cached": (Cached, cached),
    "retry": (Wait, retry),
}


@dataclass(frozen=True)
class Policies:
    """What happens to a duplicate at publish, and at run; None where that is open."""

    publish: Policy | None = None
    run: Policy | None = None


def policies_from(value: Any, name: str = "on_duplicate") -> Policies:
    """Return the policies that ``on_duplicate=`` asks for.

    Arguments:
        name: of the option or setting, for the error.

    Raises:
        ConfigurationError: if there is no such policy.
    """
    if not isinstance(value, Mapping):
        policy = _policy_from(value, name)
        return Policies(policy, None if isinstance(policy, Replace) else policy)
    if not value or not value.keys() <= {"publish", "run"}:
        raise ConfigurationError(f'{name}={value!r}: the keys are "publish" and "run"')
    policies = Policies(**{when: _policy_from(v, name) for when, v in value.items()})
    if isinstance(policies.run, Replace):
        raise ConfigurationError(
            f"{name}={value!r}: what runs cannot be replaced; "
            '"replace" is for "publish" only'
        )
    return policies


def _policy_from(value: Any, name: str) -> Policy:
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


def policy_to_message(policy: Policy) -> Any:
    """Return a policy in the form that a message carries.

    Raises:
        ConfigurationError: for a callable.
    """
    for name, known in POLICIES.items():
        if policy == known:
            return name
    for name, (kind, _) in _WITH_PARAMETERS.items():
        if isinstance(policy, kind):
            return {name: asdict(policy)}
    raise ConfigurationError(
        f"on_duplicate={policy!r} for one call: a callable cannot travel in a message; "
        'name a policy, or say {"publish": ...} for what happens here'
    )


def policy_from_message(value: Any) -> Policy:
    """Return the policy that :func:`policy_to_message` wrote.

    Raises:
        ConfigurationError: if this version does not know it.
    """
    if isinstance(value, str) and value in POLICIES:
        return POLICIES[value]
    try:
        ((name, parameters),) = value.items()
        _, make = _WITH_PARAMETERS[name]
        return _bounded(make(**parameters))
    except (AttributeError, LookupError, TypeError, ValueError):
        raise ConfigurationError(
            f"a message asks for on_duplicate={reprlib.repr(value)}, which this "
            "version of unique_task does not know"
        ) from None


def _bounded(policy: Policy) -> Policy:
    """Return a policy with the times that a message may ask for, at most."""
    if isinstance(policy, Wait):
        return dataclasses.replace(policy, maximum=min(policy.maximum, LONGEST_PAUSE))
    if isinstance(policy, Cached) and policy.ttl is not None:
        return Cached(min(policy.ttl, LONGEST))
    return policy
