"""Says in words what keys are made of, and what a policy does to a duplicate."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from string import Formatter
from typing import Any

from ..options.duplicate import Policy
from ..options.policies import Cached, Replace, Skip, Wait, fail, ignore
from ..options.policy_names import POLICIES
from ..options.task_spec import TaskSpec
from .holders import Holder

#: What happens to a duplicate at publish, at run. The rest is up to the callable.
_AT_PUBLISH = {
    ignore: "not sent: the caller gets {result}",
    fail: "not sent: the caller gets DuplicateTaskError",
    Skip: "not sent: the caller gets {result}",
    Cached: "not sent: the caller gets {result}",
    Replace: "not sent: the caller gets {result}",
    Wait: "sent with a countdown, without a lock: its worker waits for {owner}",
}
_AT_RUN = {
    ignore: "does not run: its result is REVOKED, {refusal}",
    fail: "does not run: it fails with DuplicateTaskError",
    Skip: "does not run: it succeeds at once, with the value of the policy",
    Cached: "waits for the value of {owner}",
    Wait: "waits for {owner} and comes back later",
}


def policy_name(policy: Policy) -> str:
    """Return a policy as a user writes it."""
    for name, known in POLICIES.items():
        if policy == known:
            return name
    if not is_dataclass(policy):
        return getattr(policy, "__qualname__", None) or repr(policy)
    name = "retry" if isinstance(policy, Wait) else type(policy).__name__.lower()
    given = [
        f"{field.name}={getattr(policy, field.name)!r}"
        for field in fields(policy)
        if getattr(policy, field.name) != field.default
    ]
    return f"{name}({', '.join(given)})"


def fate(policy: Policy, holder: Holder, *, published: bool) -> str:
    """Return what becomes of a duplicate.

    Arguments:
        holder: that it meets.
        published: when it is published; else when it runs.
    """
    if isinstance(policy, Cached) and holder.hold:
        policy = Wait()  # there is no value to wait for
    texts: dict[Any, str] = dict(_AT_PUBLISH if published else _AT_RUN)
    text = texts.get(policy) or texts.get(type(policy))
    owner = f"{holder.owner} ({holder.hold})" if holder.hold else holder.owner
    if text is None:
        return f"{policy_name(policy)} decides: it gets the duplicate of {owner}"
    revoked, shared = f"REVOKED, {holder.hold}", f"the result of {owner}"
    return text.format(
        owner=owner,
        refusal=holder.hold or f"as a duplicate of {owner}",
        result=revoked if holder.hold else shared,
    )


def made_of(spec: TaskSpec) -> tuple[str, tuple[str, ...]]:
    """Return how the option ``key=`` makes a key, and of which parameters."""
    option, names = spec.options.key, tuple(spec.parameters.names)
    if option is None:
        return "all parameters", names
    if callable(option):
        name = getattr(option, "__qualname__", repr(option))
        return f"the callable {name}, called with all parameters", names
    if isinstance(option, str):
        used = [field for _, field, _, _ in Formatter().parse(option) if field]
        # By the name of each: a template may hold braces.
        return f"the template {option!r}" if used else f"{option!r}", tuple(used)
    used = list(option)
    return "these parameters" if used else "one key for the task", tuple(used)
