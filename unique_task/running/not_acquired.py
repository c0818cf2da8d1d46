"""A call that does not get the lock: why not, and what becomes of it then."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from ..backends.record import attempt_of
from ..backends.steps import Finished, Held, Replaced, Stored
from ..exceptions import DuplicateTaskError
from ..messages.requeue import LeftAlone, come_back
from ..messages.settle import settle_and_ignore
from ..messages.values import decode_value
from ..options.duplicate import (
    ANSWERED,
    REPLACED,
    Duplicate,
    report,
    warn_of_own_duplicate,
)
from ..options.outcomes import apply_policy
from ..options.policies import Cached, Wait
from .attempt import Attempt
from .reservation import keep_place

logger = logging.getLogger(__name__)

#: Longest pause in seconds between two looks at an earlier delivery that still runs.
_REDELIVERY = 30.0


@dataclass
class Answer:
    """The value of a call whose body does not run."""

    value: Any


@dataclass
class Verdict:
    """What the policy has to say of a duplicate; it is asked when this is called."""

    policy: Callable[[], Any]

    def __call__(self) -> Answer:
        """Return the value of the call.

        Raises:
            DuplicateTaskError: if the policy says so.
            celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
        """
        return Answer(self.policy())


def turned_away(attempt: Attempt, answer: Finished | Held | Replaced) -> Verdict:
    """Return what is due for a call that did not get the lock.

    Raises:
        celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
    """
    call = attempt.call
    if isinstance(answer, Finished):
        # Its state is that of the delivery that ran, and stays.
        logger.info("%s[%s] has run already", call.task.name, call.owner)
        raise LeftAlone("an earlier delivery of this message has run to its end")
    if isinstance(answer, Replaced):
        _end_replaced(attempt, answer)
    return _held_up(attempt, answer)


def _end_replaced(attempt: Attempt, replaced: Replaced) -> NoReturn:
    """End a message whose place a later one took."""
    call = attempt.call
    if replaced.owner == call.owner:  # a frozen signature that was sent once more
        logger.info("%s[%s] was sent once more", call.task.name, call.owner)
        raise LeftAlone("a later message of the same task takes its place")
    duplicate = dataclasses.replace(_duplicate(attempt), owner=replaced.owner)
    report(duplicate, call.owner, REPLACED)
    by = replaced.owner or "a later call"
    settle_and_ignore(call.task, call.request, f"replaced by {by}")


def _held_up(attempt: Attempt, held: Held) -> Verdict:
    call = attempt.call
    duplicate = _duplicate(attempt, held)
    if call.queued and held.record.owner == call.owner:
        _wait_for_own(attempt, held, duplicate.error)
    policy = wait_of(attempt) if duplicate.admitted else attempt.plan.run_policy
    if duplicate.queued and isinstance(policy, (Wait, Cached)):
        replaced = keep_place(attempt, wait_of(attempt).maximum)
        if replaced is not None:
            _end_replaced(attempt, replaced)
    successor = attempt.plan.lock.successor
    if not (successor or duplicate.admitted or isinstance(policy, (Wait, Cached))):
        _warn_of_own_duplicate(attempt, held)
    # It is no duplicate, or was reported when it first came.
    if successor or duplicate.admitted or call.waited.times:
        return Verdict(partial(policy, duplicate))
    return Verdict(partial(apply_policy, policy, duplicate, call.task_id))


def _warn_of_own_duplicate(attempt: Attempt, held: Held) -> None:
    """Warn of a call that was sent in the body of the very task that holds its key."""
    call = attempt.call
    if call.queued and held.record.owner == call.request.parent_id:
        warn_of_own_duplicate(call.task, call.owner, held.record.owner)


def wait_of(attempt: Attempt) -> Wait:
    """Return how a call waits that the policy does not apply to."""
    policy = attempt.plan.run_policy
    return policy if isinstance(policy, Wait) else Wait()


def _wait_for_own(attempt: Attempt, held: Held, reason: DuplicateTaskError) -> None:
    """Come back when an earlier delivery or try of this very task may be over."""
    call = attempt.call
    wait = partial(come_back, call.task, call.request, quiet=True)
    countdown = min(held.remaining, _REDELIVERY)
    if not is_same(attempt, held):
        wait(countdown, reason)
    try:
        # It has started in time: its expiry would revoke what runs.
        wait(countdown, reason, admitted=True, options={"expires": None})
    except DuplicateTaskError as error:
        # It cannot be sent. The other delivery runs, and what becomes of it counts.
        logger.warning("%s[%s]: %s", call.task.name, call.owner, error.__cause__)
        raise LeftAlone("an earlier delivery of this message runs") from error


def stored_value(attempt: Attempt, stored: Stored) -> Answer:
    value = decode_value(attempt.call.task, stored.value)
    if not attempt.call.waited.times:
        report(_duplicate(attempt), attempt.call.task_id, ANSWERED)
    return Answer(value)


def _duplicate(attempt: Attempt, held: Held | None = None) -> Duplicate:
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
    )


def is_same(attempt: Attempt, held: Held) -> bool:
    """Tell whether the holder is another delivery of the message of `attempt`."""
    return attempt_of(held.record.token) == attempt_of(attempt.record.token)
