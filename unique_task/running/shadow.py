"""Shadow mode: a call runs in any case; its lock is there to count the others by."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from ..backends.steps import Finished, Held, Replaced
from ..leases.lease import Lease, Unguarded
from ..options.lock_types import lock_type_in
from ..options.shadow import report_in_shadow
from .acquire import lease_or_obstacle
from .attempt import Attempt
from .not_acquired import OBSTACLES, Obstacle, duplicate_of
from .redelivery import release_for
from .reservation import release_reservation_of

logger = logging.getLogger(__name__)


def lease_in_shadow(attempt: Attempt) -> Lease:
    """Return a lease to run under, whether the call gets its lock or not.

    Raises:
        LockStoreError: if the store does not answer.
        ConfigurationError: if the publisher reserved the lock in another store.
    """
    _release_enforced(attempt)
    published = attempt.published
    if published is not None and published.is_duplicate_in_shadow:
        return _without_lock(attempt)
    result = lease_or_obstacle(attempt)
    if isinstance(result, OBSTACLES):
        _report(attempt, result)
        return _without_lock(attempt)
    attempt.note_reservation_handled()
    return result


def _release_enforced(attempt: Attempt) -> None:
    """Release what a process that enforces locks has reserved until the start.

    Equal calls may be published from then on. What is reserved to the end of the task
    is released when its outcome is stored, as of a task without a guard.
    """
    published = attempt.call.published
    if published is None or not published.token:
        return
    lock = lock_type_in(published)
    if lock is not None and lock.two_locks:
        release_for(attempt.call.task.app, vars(attempt.call.request))


def _without_lock(attempt: Attempt) -> Lease:
    """Return a lease without a lock; what the message reserved ends with the body."""
    attempt.note_reservation_handled()
    call, release = attempt.call, partial(release_reservation_of, attempt)
    return Unguarded(call.task, call.request, call.owner, release)


def _report(attempt: Attempt, obstacle: Obstacle) -> None:
    """Report a call that would not run now; see :mod:`.not_acquired`."""
    call = attempt.call
    if isinstance(obstacle, Finished):
        logger.info(
            "%s[%s] has run already, and runs again", call.task.name, call.owner
        )
    elif isinstance(obstacle, Replaced):
        _report_replaced(attempt, obstacle)
    else:
        _report_held(attempt, obstacle if isinstance(obstacle, Held) else None)


def _report_replaced(attempt: Attempt, replaced: Replaced) -> None:
    call, policy = attempt.call, attempt.plan.publish_policy
    if replaced.owner != call.owner:
        duplicate = replace(duplicate_of(attempt), owner=replaced.owner)
        report_in_shadow(duplicate, policy, call.task_id, replaced=True)


def _report_held(attempt: Attempt, held: Held | None) -> None:
    """Report a duplicate, unless it meets itself, was let in before, or has waited."""
    call, duplicate = attempt.call, duplicate_of(attempt, held)
    own = call.queued and duplicate.owner == call.owner
    expected = attempt.plan.lock.successor or duplicate.admitted
    if not (own or expected or call.waited.times):
        report_in_shadow(duplicate, attempt.plan.run_policy, call.task_id)
