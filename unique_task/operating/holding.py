"""Holds a key for an operator: it takes the lock for a time, with a reason."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery

from ..backends.findings import Finding
from ..durations import Duration
from ..durations import seconds as in_seconds
from ..exceptions import ConfigurationError
from .held_places import Places
from .hold_reach import not_reached
from .holders import Holder, Lock
from .targets import Target, target_of
from .verdicts import judged
from .workers import TIMEOUT, Workers

#: Letters of a name or a reason at most: each refused call has them in its log line.
_LONGEST = 200

#: Seconds between two looks for a free place.
_PAUSE = 0.1


@dataclass(frozen=True)
class Hold:
    """A key that an operator holds; times are seconds.

    Attributes:
        key: that is held.
        task: name of the task; empty for a bare key.
        store: where its lock lives.
        owner: names the hold as an id names a task: ``release`` takes it.
        by: who holds it.
        reason: why, for people.
        seconds: for which it was taken.
        until: when it ends, in seconds since 1970 by this process's clock.
        places: how many places of the key it has: all.
        fence: see :class:`.Acquired`; of several places the greatest.
        findings: one for each worker that answers and runs calls of the key all the
            same, such as one in shadow mode.
    """

    key: str
    task: str
    store: str
    owner: str
    by: str
    reason: str
    seconds: float
    until: float
    places: int
    fence: int | None
    findings: tuple[Finding, ...] = ()


def hold(
    app: Celery,
    wanted: str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    seconds: Duration,
    by: str,
    reason: str,
    wait: Duration = 0,
    limit: int | None = None,
    store: str | None = None,
    timeout: float = TIMEOUT,
) -> Hold | Lock:
    """Take the lock of a key, so that no call of it runs until the hold ends.

    Duplicates name the hold. It ends by its time, or by a release. If it cannot take
    all places of the key, it takes none.

    Arguments:
        wanted: name of the task of a call, or a key.
        args: of the call.
        kwargs: of the call.
        seconds: for which to hold it.
        by: who asks.
        reason: why, for people.
        wait: seconds to wait until the key is free.
        limit: for a key: how many may hold it at once; None for the most that any task
            in the store allows.
        store: for a key: name of the store; None if the app has one.
        timeout: seconds to wait for the workers' answers, about a holder or whether
            they heed the hold; 0 not to ask.

    Returns:
        The hold; the lock with its judged holders, if others hold the key.

    Raises:
        UnknownCallError: if there is no such task or store, or arguments do not fit.
        ConfigurationError: for a value that is not allowed; if no task is guarded.
        UniqueKeyError, UniqueLimitError: as the call itself.
        LockStoreError: if the store does not answer.
    """
    duration, patience = in_seconds("seconds", seconds), _patience(wait)
    by, reason = one_line("by", by), one_line("reason", reason)
    target = target_of(app, wanted, args, kwargs, limit, store)
    target.check(duration)
    places, workers = Places(target, by, reason, duration), Workers(app, timeout)
    try:
        if _take(places, time.monotonic() + patience):
            taken = _hold(target, places, duration)
            return replace(taken, findings=tuple(not_reached(target, workers)))
    except BaseException:  # Ctrl-C, too
        places.give_back()
        raise
    return _held_by_others(app, target, places, workers)


def _patience(wait: Duration) -> float:
    return in_seconds("wait", wait, zero=True)


def one_line(name: str, text: str) -> str:
    """Return the words of a person that stand in the log lines of others.

    Raises:
        ConfigurationError: if they are none, or too many, or several lines.
    """
    text = text.strip()
    if 0 < len(text) <= _LONGEST and text.isprintable():
        return text
    raise ConfigurationError(
        f"{name}={text[:_LONGEST]!r}: must be one line of 1 to {_LONGEST} letters"
    )


def _take(places: Places, end: float) -> bool:
    """Take all places before `end` by the monotonic clock; tell whether it could."""
    while not places.take():
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, _PAUSE))
    return True


def _hold(target: Target, places: Places, duration: float) -> Hold:
    record = places.record
    return Hold(
        key=target.key,
        task=target.task,
        store=target.backend.name,
        owner=record.owner,
        by=record.by,
        reason=record.reason,
        seconds=duration,
        until=time.time() + duration,
        places=target.limit,
        fence=places.fence,
    )


def _held_by_others(
    app: Celery, target: Target, places: Places, workers: Workers
) -> Lock:
    """Give the places back; return who holds the others."""
    others = places.others()
    places.give_back()
    backend, key = target.backend, target.key
    lock = Lock(
        store=backend.name,
        fingerprint=backend.fingerprint,
        name=key,
        key=key,
        kind="key",
        holders=tuple(map(Holder.of, others)),
        remaining=max((held.remaining for held in others), default=0.0),
    )
    return judged(app, [lock], workers)[0]
