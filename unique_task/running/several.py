"""Finds the holder that a call has to know of, where a key may have several.

The store counts holders, and a refusal shows the one whose lock ends first. But two
deliveries of one message must never run at once, and a holder that has died must not
keep its place. So these calls look at all holders.
"""

from __future__ import annotations

from dataclasses import replace

from ..backends.steps import Acquired, Held, StoreAnswer
from ..leases.process import is_gone
from .attempt import Attempt


def among_holders(attempt: Attempt, answer: StoreAnswer) -> StoreAnswer:
    """Return the answer to an attempt whose lock may have several holders.

    The lock is the attempt's if the answer is :class:`Acquired`. If another attempt of
    the task was let in before and holds the key, that one is the answer.
    """
    if isinstance(answer, Acquired):
        return _beside_no_own(attempt, answer)
    if isinstance(answer, Held) and answer.record.owner != attempt.call.owner:
        return _deciding_holder(attempt, answer)
    return answer


def _beside_no_own(attempt: Attempt, acquired: Acquired) -> StoreAnswer:
    """Give the lock back if another attempt of the task holds the key.

    The store tells the second delivery of a message that the first one was let in::

        first   is let in, runs .................................... ends
        second            is let in too, sees the first: steps back
        third                      is let in, sees the first: steps back

    Of two that look at each other, the one that was let in later steps back.
    """
    if not (acquired.admitted or attempt.call.follows_itself):
        return acquired
    own = _own_before(attempt, acquired.fence)
    if own is None:
        return _asked_again(attempt, acquired)
    _step_back(attempt)
    return replace(own, admitted=acquired.admitted)


def _own_before(attempt: Attempt, fence: int | None) -> Held | None:
    """Return an attempt of the same task that holds the key with a smaller fence."""
    owner, token = attempt.call.owner, attempt.record.token
    for held in attempt.backend.holders(attempt.lock):
        record = held.record
        if record.owner == owner and record.token != token:
            if fence is None or (record.fence or 0) < fence:
                return held
    return None


def _asked_again(attempt: Attempt, acquired: Acquired) -> StoreAnswer:
    """Return the answer to an attempt that was let in before, and is so no longer.

    Its first delivery may have left in between::

        first   holds the key            ends: leaves, then has finished
        second            is let in                                     looks
    """
    if not (acquired.admitted and attempt.remember_for):
        return acquired
    answer = attempt.backend.acquire(
        attempt.lock,
        attempt.record,
        attempt.plan.lease,
        remember_for=attempt.remember_for,
        limit=attempt.run_limit,
    )
    if not isinstance(answer, Acquired):
        _step_back(attempt)
    return answer


def _step_back(attempt: Attempt) -> None:
    attempt.backend.release(attempt.lock, attempt.record.token, limit=attempt.run_limit)
    attempt.call.release_unused = None


def _deciding_holder(attempt: Attempt, first: Held) -> Held:
    """Return the holder that decides what happens to a call that was refused.

    That is another attempt of the same task, else one whose process is gone.
    """
    holders = attempt.backend.holders(attempt.lock)
    own = [held for held in holders if held.record.owner == attempt.call.owner]
    dead = [held for held in holders if is_gone(held.record.process)]
    return replace((own or dead or [first])[0], admitted=first.admitted)


def all_holders(attempt: Attempt, held: Held) -> tuple[Held, ...]:
    """Return all that hold the lock of an attempt which met `held`."""
    if attempt.run_limit == 1:
        return (held,)
    return tuple(attempt.backend.holders(attempt.lock)) or (held,)


def is_held_by_own(attempt: Attempt, name: str) -> bool:
    """Tell whether an earlier delivery of the task holds the lock of that name."""
    owner, token = attempt.call.owner, attempt.record.token
    return any(
        held.record.owner == owner and held.record.token != token
        for held in attempt.backend.holders(name)
    )
