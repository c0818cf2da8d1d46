"""Applies a policy to a duplicate, and reports the outcome."""

from __future__ import annotations

from typing import Any

from celery.exceptions import Ignore, Reject, Retry

from ..messages.states import DeliveryOver
from .duplicate import ANSWERED, DROPPED, FAILED, WAITS, Duplicate, Policy, report
from .policies import Cached, Replace, Skip, Wait, fail, ignore, kind_of


def apply_policy(policy: Policy, duplicate: Duplicate, task_id: str | None) -> Any:
    """Return the value that `policy` gives a duplicate; report the duplicate.

    Arguments:
        task_id: of the duplicate itself; None for a direct call.

    Raises:
        Exception: what the policy raises.
    """
    outcome, kind = _known_outcome(policy, duplicate), kind_of(policy)
    if outcome is not None:
        # Report first: receivers of the signal know it before anything else shows it.
        report(duplicate, task_id, outcome, kind)
        return policy(duplicate)
    try:
        value = policy(duplicate)
    except Exception as error:
        report(duplicate, task_id, _outcome_of(error), kind)
        raise
    report(duplicate, task_id, ANSWERED, kind)
    return value


def _known_outcome(policy: Policy, duplicate: Duplicate) -> str | None:
    """Return the outcome of a policy of ours; None if the user's code decides it."""
    if policy is ignore or isinstance(policy, Replace):
        return DROPPED
    if policy is fail:
        return FAILED
    if isinstance(policy, Skip):
        return ANSWERED
    if not isinstance(policy, (Wait, Cached)):
        return None
    patient = not isinstance(policy, Wait) or policy.timeout != 0
    return WAITS if duplicate.queued and patient else FAILED


def _outcome_of(error: Exception) -> str:
    if isinstance(error, (DeliveryOver, Retry, Reject)):
        return WAITS
    return DROPPED if isinstance(error, Ignore) else FAILED
