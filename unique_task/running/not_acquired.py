"""Decides what happens to a call that did not get the lock."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, Union

from ..backends.record import attempt_of
from ..backends.steps import Finished, Held, Replaced
from ..counting import names
from ..exceptions import DuplicateTaskError, LockRecordError, LockStoreError
from ..leases.lease import Lease, Unguarded
from ..messages.requeue import requeue
from ..messages.states import DeliveryOver, end_as_revoked
from ..options.duplicate import (
    REPLACED,
    Duplicate,
    Policy,
    report,
    report_value,
    warn_of_own_duplicate,
)
from ..options.outcomes import apply_policy
from ..options.policies import Cached, Wait
from .attempt import Attempt
from .call import Call
from .reservation import extend_reservation, release_reservation_of
from .several import all_holders

logger = logging.getLogger(__name__)

#: Longest pause in seconds between two looks at an earlier delivery that still runs.
_LOOK_AGAIN = 30.0


@dataclass(eq=False, repr=False)
class Answer:
    """The value of a call whose body does not run."""

    value: Any


#: What keeps a body from running: the value of an earlier run is the answer, or the
#: store has refused the lock.
OBSTACLES = (Answer, Finished, Held, Replaced)
Obstacle = Union[Answer, Finished, Held, Replaced]


@dataclass(eq=False, repr=False)
class Undecided:
    """A duplicate whose policy has yet to be applied.

    Attributes:
        reported: whether the duplicate needs no report, or has been reported.
    """

    call: Call
    policy: Policy
    duplicate: Duplicate
    reported: bool

    def apply_policy(self) -> Answer:
        """Return the answer that the policy gives the call.

        Raises:
            DuplicateTaskError: if the policy raises it.
            celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
        """
        if self.reported:
            return Answer(self.policy(self.duplicate))
        return Answer(apply_policy(self.policy, self.duplicate, self.call.task_id))


def not_acquired(attempt: Attempt, obstacle: Obstacle) -> Answer | Undecided:
    """Return the answer to a call or the duplicate that it is, or end the call.

    Raises:
        celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
    """
    if isinstance(obstacle, Answer):
        return _answer_from_store(attempt, obstacle)
    if isinstance(obstacle, Finished):
        _end_finished(attempt.call)
    if isinstance(obstacle, Replaced):
        _end_replaced(attempt, obstacle)
    return _meet_holder(attempt, obstacle)


def _end_finished(call: Call) -> NoReturn:
    """End a message whose earlier delivery has finished; the task keeps its state."""
    logger.info("%s[%s] has run already", call.task.name, call.owner)
    raise DeliveryOver("an earlier delivery of this message has run to its end")


def _end_replaced(attempt: Attempt, replaced: Replaced) -> NoReturn:
    """End a message that a later message has replaced."""
    call = attempt.call
    if replaced.owner == call.owner:  # a frozen signature that was sent once more
        logger.info("%s[%s] was sent once more", call.task.name, call.owner)
        raise DeliveryOver("a later message of the same task takes its place")
    duplicate = replace(duplicate_of(attempt), owner=replaced.owner)
    report(duplicate, call.owner, REPLACED, "replace")
    by = replaced.owner or "a later call"
    end_as_revoked(call.task, call.request, f"replaced by {by}")


def _meet_holder(attempt: Attempt, held: Held) -> Undecided:
    """Return the duplicate that meets a held lock, and its policy."""
    call = attempt.call
    duplicate = duplicate_of(attempt, held)
    if call.queued and duplicate.owner == call.owner:
        _come_back_for_own(attempt, held, duplicate.error)
    policy = _wait_policy(attempt) if duplicate.admitted else attempt.plan.run_policy
    waits = isinstance(policy, (Wait, Cached))
    if waits and call.queued:
        replaced = extend_reservation(attempt, _wait_policy(attempt).maximum)
        if replaced is not None:
            _end_replaced(attempt, replaced)
        # Its worker starts it when one of them ends.
        duplicate = replace(duplicate, holders=all_holders(attempt, held))
    # A successor and a task that got the lock before are no duplicates to report.
    expected = attempt.plan.lock.successor or duplicate.admitted
    if not (expected or waits):
        _warn_of_own_duplicate(call, duplicate)
    # Others were reported when they first came.
    return Undecided(call, policy, duplicate, expected or bool(call.waited.times))


def _warn_of_own_duplicate(call: Call, duplicate: Duplicate) -> None:
    """Warn of a call that was sent in the body of the task that holds its key."""
    holder = duplicate.owner
    if holder is not None and call.queued and holder == call.request.parent_id:
        warn_of_own_duplicate(call.task, call.owner, holder)


def _wait_policy(attempt: Attempt) -> Wait:
    """Return how a call waits where its policy does not apply."""
    policy = attempt.plan.run_policy
    return policy if isinstance(policy, Wait) else Wait()


def _come_back_for_own(
    attempt: Attempt, held: Held, reason: DuplicateTaskError
) -> NoReturn:
    """Come back when an earlier delivery or try of the same task may have ended."""
    call = attempt.call
    wait = partial(requeue, call.task, call.request, quiet=True)
    countdown = min(held.remaining, _LOOK_AGAIN)
    if not is_same_message(attempt, held):
        wait(countdown, reason)
    try:
        # The message has started in time. Its expiry would revoke the task that runs.
        wait(countdown, reason, admitted=True, options={"expires": None})
    except DuplicateTaskError as error:
        # The message cannot be sent. The other delivery runs and decides the outcome.
        logger.warning("%s[%s]: %s", call.task.name, call.owner, error.__cause__)
        raise DeliveryOver("an earlier delivery of this message runs") from error


def _answer_from_store(attempt: Attempt, answer: Answer) -> Answer:
    """Report a call that gets the value of an earlier run, and return that value."""
    attempt.count_waited()
    call = attempt.call
    report_value(duplicate_of(attempt), call.task_id, known=bool(call.waited.times))
    return answer


def duplicate_of(attempt: Attempt, held: Held | None = None) -> Duplicate:
    """Return the duplicate that met the lock `held`, or a value if that is None."""
    call = attempt.call
    return Duplicate.of_holder(
        held,
        call.task,
        attempt.key,
        args=call.args,
        kwargs=call.kwargs,
        request=call.request,
        admitted=call.admitted or bool(held and held.admitted),
        at=call.at,
        limit=attempt.run_limit,
        backend=attempt.backend,
    )


def without_store(attempt: Attempt, error: LockStoreError) -> Lease:
    """Apply the setting ``unique_on_unavailable``: the store does not answer."""
    call, choice = attempt.call, attempt.plan.on_unavailable
    attempt.count(names.STORE_ERRORS)
    # A lock that cannot be read is a lock that is held.
    if choice == "run" and not isinstance(error, LockRecordError):
        logger.warning("%s[%s] runs unguarded: %s", call.task.name, call.owner, error)
        call.release_unused = None
        end = partial(_release_what_may_be_held, attempt)
        return Unguarded(call.task, call.request, call.owner, end)
    if choice == "raise" or not call.queued:
        raise error
    _come_back_later(attempt, error)


def _release_what_may_be_held(attempt: Attempt) -> None:
    """Release the locks of an attempt that ran without an answer of the store."""
    release_reservation_of(attempt)
    attempt.release_unused()


def _come_back_later(attempt: Attempt, error: LockStoreError) -> NoReturn:
    """Send the message again, to arrive when the store may answer."""
    call = attempt.call
    logger.warning("%s[%s] comes back later: %s", call.task.name, call.owner, error)
    # This also counts the waits for a lock, which may be many and short.
    countdown = _wait_policy(attempt).next_countdown(call.waited.times)
    token = attempt.record.token
    try:
        requeue(
            *(call.task, call.request, countdown, error), quiet=True, unanswered=token
        )
    except DeliveryOver:
        call.release_unused = None  # the next arrival takes the lock over
        raise


def is_same_message(attempt: Attempt, held: Held) -> bool:
    """Tell whether the holder is another delivery of the message of `attempt`."""
    return attempt_of(held.record.token) == attempt_of(attempt.record.token)
