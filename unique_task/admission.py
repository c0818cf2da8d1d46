"""The way into a guarded body: take the lock, or find out why not, and what then."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from .attempt import Attempt
from .backends.record import attempt_of
from .backends.steps import Acquired, Finished, Held, StoreAnswer, Stored
from .exceptions import DuplicateTaskError, LockRecordError, LockStoreError
from .lease import Lease, Unguarded
from .policies import Duplicate, Wait
from .process import is_gone
from .requeue import LeftAlone, Waited, come_back
from .signals import lock_acquired, task_duplicate, tell
from .values import UNREADABLE, decode_value

logger = logging.getLogger(__name__)

#: How many duplicates each task has met in this process, by the task's name.
duplicates: Counter[str] = Counter()

#: Seconds for which a successor waits in its worker's slot for an attempt that leaves.
_LEAVING = 1.0
_LOOK_AGAIN = 0.05

#: Longest pause in seconds between two looks at an earlier delivery that still runs.
_REDELIVERY = 30.0


@dataclass
class Answer:
    """The value of a call whose body does not run."""

    value: Any


def admit(attempt: Attempt) -> Lease | Answer:
    """Take the lock of `attempt`, or do what its policy says of a duplicate.

    Returns:
        The lease to run under, or the answer if there is nothing to run.

    Raises:
        LockStoreError, DuplicateTaskError: see :class:`unique_task.guard.Guard`.
        celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
    """
    try:
        return _admit(attempt)
    except LockStoreError as error:
        return _without_store(attempt, error)


def _admit(attempt: Attempt) -> Lease | Answer:
    call, plan, record = attempt.call, attempt.plan, attempt.record
    # A task that was let in before runs to its end, whatever was stored meanwhile.
    stored = plan.fresh is not None and not call.admitted
    answer, asked = _take(attempt, stored=stored)
    if isinstance(answer, Stored):
        try:
            return _stored_value(attempt, answer)
        except UNREADABLE as error:
            logger.info("%s: a stored value is of no use: %s", call.task.name, error)
        answer, asked = _take(attempt, stored=False)
    if isinstance(answer, Finished):
        # Its state is that of the delivery that ran, and stays.
        logger.info("%s[%s] has run already", call.task.name, call.owner)
        raise LeftAlone("an earlier delivery of this message has run to its end")
    if isinstance(answer, Held):
        return _turned_away(attempt, answer)
    assert isinstance(answer, Acquired)
    lease = Lease(
        call.task,
        call.request,
        call.owner,
        attempt.backend,
        attempt.key,
        record,
        answer.fence,
        plan.lease,
        asked,
    )
    lease.fresh = plan.fresh
    lease.renew = plan.renew
    lease.remember = attempt.remember
    lease.once = attempt.once
    tell(lock_acquired, call.task, lock=lease)
    return lease


def _take(attempt: Attempt, *, stored: bool) -> tuple[StoreAnswer, float]:
    """Return the store's answer, and when it was asked."""
    call, record = attempt.call, attempt.record
    over, once = call.waited.unanswered, attempt.once
    patience = time.monotonic() + _LEAVING
    while True:
        asked = time.monotonic()
        answer = attempt.backend.acquire(
            attempt.key,
            record,
            attempt.plan.lease,
            stored=stored,
            once=once,
            over=over,
        )
        if isinstance(answer, Finished) and not call.recognised:
            once = 0.0
            continue
        if not isinstance(answer, Held):
            return answer, asked
        token = answer.record.token
        if token not in over and is_gone(answer.record.process):
            over = (token,)
        elif asked > patience or not _is_leaving(attempt, answer):
            return answer, asked
        else:
            time.sleep(_LOOK_AGAIN)


def _is_leaving(attempt: Attempt, held: Held) -> bool:
    """Tell whether the holder only has to end what led to this call.

    A retry, or what the task replaces itself by, is sent before the try that asks for
    it has ended. With late acknowledgement the lock outlives the sending of callbacks,
    and one of them may be an equal call::

        first   body ends, sends the next of the chain    outcome stored, lock freed
        second                           arrives, finds the lock

    A second delivery of the holder's own message has nothing to wait for here.
    """
    call, owner = attempt.call, held.record.owner
    if not call.queued:
        return False
    if owner == call.owner:
        return not _is_same(attempt, held)
    return call.late and bool(owner == call.request.parent_id)


def _is_same(attempt: Attempt, held: Held) -> bool:
    """Tell whether the holder is another delivery of the message of `attempt`."""
    return attempt_of(held.record.token) == attempt_of(attempt.record.token)


def _turned_away(attempt: Attempt, held: Held) -> Answer:
    call = attempt.call
    duplicate = _duplicate(attempt, held)
    if call.queued and held.record.owner == call.owner:
        _wait_for_own(attempt, held, duplicate.error)
    if duplicate.admitted:
        return Answer(_wait_of(attempt)(duplicate))
    _tell(duplicate)
    return Answer(attempt.plan.policy(duplicate))


def _wait_of(attempt: Attempt) -> Wait:
    """Return how a call waits that the policy does not apply to."""
    policy = attempt.plan.policy
    return policy if isinstance(policy, Wait) else Wait()


def _wait_for_own(attempt: Attempt, held: Held, reason: DuplicateTaskError) -> None:
    """Come back when an earlier delivery or try of this very task may be over."""
    call = attempt.call
    wait = partial(come_back, call.task, call.request, quiet=True)
    countdown = min(held.remaining, _REDELIVERY)
    if not _is_same(attempt, held):
        wait(countdown, reason)
    try:
        # It has started in time: its expiry would revoke what runs.
        wait(countdown, reason, admitted=True, options={"expires": None})
    except DuplicateTaskError as error:
        # It cannot be sent. The other delivery runs, and what becomes of it counts.
        logger.warning("%s[%s]: %s", call.task.name, call.owner, error.__cause__)
        raise LeftAlone("an earlier delivery of this message runs") from error


def _stored_value(attempt: Attempt, stored: Stored) -> Answer:
    value = decode_value(attempt.call.task, stored.value)
    _tell(_duplicate(attempt))
    return Answer(value)


def _duplicate(attempt: Attempt, held: Held | None = None) -> Duplicate:
    call = attempt.call
    return Duplicate(
        call.task,
        call.args,
        call.kwargs,
        attempt.key,
        held.record.owner if held else None,
        held.remaining if held else None,
        call.request,
        call.admitted or bool(held and held.admitted),
    )


def _tell(duplicate: Duplicate) -> None:
    """Tell of a duplicate, once: not each time that it comes back."""
    request = duplicate.request
    if duplicate.queued and Waited.of(request).times:
        return
    name = duplicate.task.name
    task_id = request.id if request is not None else None
    duplicates[name] += 1
    logger.info(
        "%s[%s] is a duplicate of %s",
        name,
        task_id,
        duplicate.owner or "an earlier run",
    )
    told = {"key": duplicate.key, "owner": duplicate.owner, "task_id": task_id}
    tell(task_duplicate, duplicate.task, **told)


def _without_store(attempt: Attempt, error: LockStoreError) -> Lease:
    call, choice = attempt.call, attempt.plan.on_unavailable
    # A lock that cannot be read is a lock that is held.
    if choice == "run" and not isinstance(error, LockRecordError):
        logger.warning("%s[%s] runs unguarded: %s", call.task.name, call.owner, error)
        return Unguarded(call.task, call.request, call.owner)
    if choice == "raise" or not call.queued:
        raise error
    logger.warning("%s[%s] comes back later: %s", call.task.name, call.owner, error)
    # Its own waits were counted too, and may be many short ones.
    countdown = _wait_of(attempt).next_countdown(call.waited.times)
    come_back(
        call.task,
        call.request,
        countdown,
        error,
        quiet=True,
        unanswered=attempt.record.token,
    )
