"""The way into a guarded body: take the lock, or find out why not, and what then."""

from __future__ import annotations

import logging
import time
from functools import partial

from ..backends.steps import Acquired, Finished, Held, Replaced, StoreAnswer, Stored
from ..exceptions import LockRecordError, LockStoreError
from ..leases.lease import Lease
from ..leases.process import is_gone
from ..leases.unguarded import Unguarded
from ..messages.requeue import LeftAlone, come_back
from ..messages.values import UNREADABLE
from .attempt import Attempt
from .not_acquired import (
    Answer,
    Verdict,
    is_same,
    stored_value,
    turned_away,
    wait_of,
)
from .reservation import check_store, redeem

logger = logging.getLogger(__name__)

#: Seconds for which a retry waits in its worker's slot for the try that asked for it.
_PATIENCE = 1.0
_LOOK_AGAIN = 0.05


def admit(attempt: Attempt) -> Lease | Answer:
    """Take the lock of `attempt`, or do what its policy says of a duplicate.

    Returns:
        The lease to run under, or the answer if there is nothing to run.

    Raises:
        LockStoreError, DuplicateTaskError: see :func:`.run_guarded`.
        celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
    """
    try:
        entry = _admit(attempt)
    except LockStoreError as error:
        return _without_store(attempt, error)
    # Outside: what a policy meets, as when it publishes, says nothing of this store.
    return entry() if isinstance(entry, Verdict) else entry


def _admit(attempt: Attempt) -> Lease | Answer | Verdict:
    call, plan = attempt.call, attempt.plan
    check_store(attempt)
    # A task that was let in before runs to its end, whatever was stored meanwhile.
    # And a successor runs after the one whose value that is.
    stored = plan.value_ttl is not None and not (call.admitted or plan.lock.successor)
    answer, asked = _take(attempt, stored=stored)
    if isinstance(answer, Stored):
        try:
            return stored_value(attempt, answer)
        except UNREADABLE as error:
            logger.info("%s: a stored value is of no use: %s", call.task.name, error)
        answer, asked = _take(attempt, stored=False)
    assert not isinstance(answer, Stored)
    if not isinstance(answer, Acquired):
        return turned_away(attempt, answer)
    if plan.lock.two_locks and not call.admitted:
        met = _redeemed(attempt)
        if met is not None:
            return turned_away(attempt, met)
    return _lease(attempt, answer.fence, asked)


def _redeemed(attempt: Attempt) -> Held | Replaced | None:
    """Tell who is in the way of the body, which then does not run under its lock."""
    try:
        met = redeem(attempt)
    except LockStoreError:
        # Not until the message comes back: nobody runs under it meanwhile.
        attempt.call.break_off()
        raise
    if met is not None:
        attempt.backend.release(attempt.lock, attempt.record.token)
        attempt.call.abandon = None
    return met


def _lease(attempt: Attempt, fence: int | None, asked: float) -> Lease:
    call, plan = attempt.call, attempt.plan
    lease = Lease(
        call.task,
        call.request,
        call.owner,
        attempt.backend,
        attempt.key,
        attempt.record,
        fence if attempt.backend.promises.fenced else None,
        plan.lease,
        asked,
        attempt.lock,
    )
    lease.fresh = plan.value_ttl
    lease.renew = plan.renew
    lease.whole = plan.lock.held_to_end
    lease.remember = attempt.remember
    lease.remember_for = attempt.remember_for
    return lease


def _take(attempt: Attempt, *, stored: bool) -> tuple[StoreAnswer, float]:
    """Return the store's answer, and when it was asked."""
    call, patience = attempt.call, time.monotonic() + _PATIENCE
    over, once = call.waited.unanswered, attempt.remember_for
    if attempt.plan.lock.held_to_end:
        over += attempt.reserved
    while True:
        asked = time.monotonic()
        answer = _ask(attempt, stored, once, over)
        if isinstance(answer, Finished) and not call.recognised:
            once = 0.0
            continue
        if not isinstance(answer, Held):
            return answer, asked
        token = answer.record.token
        if token not in over and is_gone(answer.record.process):
            over = (*over, token)
        elif asked > patience or not _is_earlier_try(attempt, answer):
            return answer, asked
        else:
            time.sleep(_LOOK_AGAIN)


def _ask(
    attempt: Attempt, stored: bool, once: float, over: tuple[str, ...]
) -> StoreAnswer:
    """Ask the store for the lock of the run, which the call may break off."""
    call, plan = attempt.call, attempt.plan
    # Before the store is asked: its answer may be lost, and not the lock.
    call.abandon = attempt.abandon
    answer = attempt.backend.acquire(
        attempt.lock,
        attempt.record,
        plan.lease,
        accept_value=stored,
        remember_for=once,
        take_over_from=over,
        generation=attempt.generation if plan.lock.held_to_end else None,
    )
    if not isinstance(answer, Acquired):
        call.abandon = None
    return answer


def _is_earlier_try(attempt: Attempt, held: Held) -> bool:
    """Tell whether the holder only has to end the try that led to this call.

    A retry, or what the task replaces itself by, is sent before that is over::

        one try   sends the next one, raises Retry      frees the lock
        the next                        arrives, finds the lock

    A second delivery of the holder's own message has nothing to wait for here.
    """
    call, owner = attempt.call, held.record.owner
    return call.queued and owner == call.owner and not is_same(attempt, held)


def _end(attempt: Attempt) -> None:
    """Free what an attempt that ran without hearing of its lock may have had."""
    attempt.give_up()
    attempt.abandon()


def _without_store(attempt: Attempt, error: LockStoreError) -> Lease:
    call, choice = attempt.call, attempt.plan.on_unavailable
    # A lock that cannot be read is a lock that is held.
    if choice == "run" and not isinstance(error, LockRecordError):
        logger.warning("%s[%s] runs unguarded: %s", call.task.name, call.owner, error)
        call.abandon = None
        return Unguarded(call.task, call.request, call.owner, partial(_end, attempt))
    if choice == "raise" or not call.queued:
        raise error
    logger.warning("%s[%s] comes back later: %s", call.task.name, call.owner, error)
    # Its own waits were counted too, and may be many short ones.
    countdown = wait_of(attempt).next_countdown(call.waited.times)
    try:
        come_back(
            call.task,
            call.request,
            countdown,
            error,
            quiet=True,
            unanswered=attempt.record.token,
        )
    except LeftAlone:
        call.abandon = None  # what comes back takes the lock over
        raise
