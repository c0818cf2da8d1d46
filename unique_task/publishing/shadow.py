"""Shadow mode: a message is sent in any case; its lock counts the others."""

from __future__ import annotations

from ..backends.steps import Held, Reserved, Stored
from ..exceptions import UniqueError
from ..messages.values import UNUSABLE, usable_value
from ..options.shadow import report_in_shadow
from .outgoing import Outgoing, ToSend
from .reserve import duplicate_of, needs_own_outcome, reserve_after_dead


def reserve_in_shadow(outgoing: Outgoing) -> ToSend:
    """Reserve the lock of a message in shadow; count the message if it is held.

    Nothing is put off: a message with the policy ``replace`` is sent at once, too.

    Raises:
        LockStoreError: if the store does not answer.
        UniqueKeyError: if the arguments cannot be made a key.
        UniqueLimitError: if they cannot be made a limit.
    """
    plan = outgoing.plan
    accept_value = plan.value_ttl is not None and not plan.lock.successor
    return _reserve(outgoing, accept_value)


def _reserve(outgoing: Outgoing, accept_value: bool) -> ToSend:
    pending, record = outgoing.pending, outgoing.record()
    if not pending:  # the message has expired, and no worker will run it
        return ToSend()
    answer = reserve_after_dead(
        outgoing, outgoing.reservation, record, pending, accept_value
    )
    if isinstance(answer, Reserved):
        generation = answer.fence if outgoing.replaceable else None
        return outgoing.with_reservation(record, pending, generation)
    if isinstance(answer, Stored):
        if usable_value(outgoing.task, answer.value) is UNUSABLE:
            return _reserve(outgoing, accept_value=False)
    elif _is_left_to_worker(outgoing, answer):
        return outgoing.without_reservation()
    held = answer if isinstance(answer, Held) else None
    policy = outgoing.plan.publish_policy
    report_in_shadow(duplicate_of(outgoing, held), policy, outgoing.id)
    return outgoing.as_duplicate_in_shadow()


def _is_left_to_worker(outgoing: Outgoing, held: Held) -> bool:
    """Tell whether the worker would decide about a duplicate, and counts it so."""
    return outgoing.options.bound or needs_own_outcome(outgoing, held)


def with_call_options(outgoing: Outgoing) -> ToSend:
    """Send a message whose lock cannot be reserved, with the options of its call.

    A worker that enforces locks must not take it for another call.
    """
    try:
        return outgoing.without_lock()
    except UniqueError:  # the error has been logged
        return ToSend()
