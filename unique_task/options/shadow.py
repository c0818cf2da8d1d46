"""Shadow mode: reports what would have been a duplicate, and what would have failed."""

from __future__ import annotations

import logging

from billiard.exceptions import SoftTimeLimitExceeded, Terminated, TimeLimitExceeded
from celery import Celery

from ..counting import names
from ..exceptions import ConfigurationError, LockRecordError, LockStoreError
from ..signals import send_signal, shadow_duplicate
from .app_settings import settings_of
from .duplicate import Duplicate, Policy
from .policies import kind_of

logger = logging.getLogger(__name__)

# Documented: the log of duplicates, wherever its lines are written.
_duplicates = logging.getLogger("unique_task.duplicates")

#: What workers and the doctor say of it.
NOT_GUARDED = 'unique_enabled is "shadow": all tasks run, duplicates are only counted'

#: A signal may raise these anywhere, so also in the guard; they are for the task.
_FOR_THE_TASK = (SoftTimeLimitExceeded, TimeLimitExceeded, Terminated)

#: The errors that were logged: the name of the task, and the kind of the error.
_logged: set[tuple[str, type[Exception]]] = set()


def report_in_shadow(
    duplicate: Duplicate, policy: Policy, task_id: str | None, *, replaced: bool = False
) -> None:
    """Report a call that runs, but would be a duplicate: log line, signal, counter.

    Arguments:
        policy: that would have decided about it.
        task_id: of the call; None for a direct call.
        replaced: whether a later call would have taken its place.
    """
    kind, name, owner = kind_of(policy), duplicate.task.name, duplicate.owner
    if replaced:
        text, other = "%s[%s] would be replaced by %s (%s)", owner or "a later call"
    else:
        text = "%s[%s] would be a duplicate of %s (%s)"
        other = owner or "an earlier run"
    _duplicates.info(text, name, task_id, other, kind)
    duplicate.count(names.shadow(kind, duplicate.at))
    send_signal(
        shadow_duplicate,
        duplicate.task,
        key=duplicate.key,
        owner=owner,
        task_id=task_id,
        policy=kind,
        at=duplicate.at,
    )


def goes_on_in_shadow(app: Celery, name: str, error: Exception) -> bool:
    """Tell whether a call goes on in spite of an error of its guard; log that once.

    It goes on in shadow mode, which finds such errors before they matter.

    Arguments:
        name: of the task.
    """
    if isinstance(error, _FOR_THE_TASK) or not _is_in_shadow(app):
        return False
    if _is_told_elsewhere(error) or (name, type(error)) in _logged:
        return True
    _logged.add((name, type(error)))
    logger.warning(
        "%s runs in shadow mode; with unique_enabled=True it would not: %s: %s "
        "(logged once for each task and kind of error)",
        *(name, type(error).__name__, error),
    )
    return True


def _is_in_shadow(app: Celery) -> bool:
    try:
        return settings_of(app).shadow
    except ConfigurationError:  # of the settings themselves
        return False


def _is_told_elsewhere(error: Exception) -> bool:
    """Tell whether the backend has logged an error, as it does in shadow mode."""
    return isinstance(error, LockStoreError) and not isinstance(error, LockRecordError)
