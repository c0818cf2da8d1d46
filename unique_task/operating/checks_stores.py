"""Checks of the stores: whether they keep locks, and what may end a lock early."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..backends.base import Backend
from ..backends.findings import Finding, Level
from ..backends.record import Record, Token
from ..backends.steps import Acquired
from ..exceptions import LockStoreError, LockStoreRefusedError

#: Returns seconds since 1970.
Clock = Callable[[], float]

#: Seconds by which two clocks may differ. The eta of a message is of one, and the lock
#: that waits for it ends by another.
TOLERANCE = 2.0


def examine_store(backend: Backend, now: Clock) -> Iterator[Finding]:
    """Yield what is found of a store."""
    for finding in (_works(backend), *findings_of(backend), _clock(backend, now)):
        yield replace(finding, where=backend.name)


def findings_of(backend: Backend) -> list[Finding]:
    """Return what a store says of itself; if it does not answer, its promises."""
    try:
        return backend.findings()
    except LockStoreError as error:
        reason = f"the store did not tell what may end a lock early: {error}"
        return [
            *Backend.findings(backend),
            Finding("state", Level.UNKNOWN, reason, at_start=False),
        ]


def complaint(backend: Backend) -> LockStoreError | None:
    """Return why a store cannot keep locks now; None if it can."""
    try:
        backend.check()
    except LockStoreError as error:
        return error
    return None


def _works(backend: Backend) -> Finding:
    error = complaint(backend)
    if error is None:
        return Finding("store", Level.OK, "a lock was taken and released in all ways")
    found = str(error).removeprefix(f"{backend.name}: ")
    advice = "start the store, or correct the URL or the network"
    if isinstance(error, LockStoreRefusedError):
        advice = "mend what the store refuses: workers do not start without it"
    return Finding("store", Level.FAIL, found, advice)


def _clock(backend: Backend, now: Clock) -> Finding:
    if not backend.promises.fenced:
        return Finding("clock", Level.UNKNOWN, "the store has no clock to compare with")
    before = now()
    try:
        theirs = _clock_of(backend)
    except LockStoreError as error:
        return Finding("clock", Level.UNKNOWN, f"the store did not tell it: {error}")
    return compared("clock", "of the store", theirs, before, now())


def _clock_of(backend: Backend) -> float | None:
    """Return the store's clock, which is the fence of a key that is new."""
    key, record = f"check {os.urandom(6).hex()}", Record(Token.of_attempt("check"))
    answer = backend.acquire(key, record, expire=1)
    backend.release(key, record.token)
    fence = answer.fence if isinstance(answer, Acquired) else None
    return None if fence is None else fence / 1e6


def compared(
    name: str, whose: str, theirs: float | None, before: float, after: float
) -> Finding:
    """Return how far another clock is from that of this process.

    Arguments:
        theirs: what the other clock was, between `before` and `after` by our own.
    """
    if theirs is None:
        return Finding(name, Level.UNKNOWN, f"the clock {whose} is not known")
    ahead, behind = theirs - after, before - theirs
    if max(ahead, behind) <= TOLERANCE:
        return Finding(
            name, Level.OK, f"the clock {whose} agrees with that of this process"
        )
    seconds = f"{max(ahead, behind):.0f} s {'ahead' if ahead > behind else 'behind'}"
    return Finding(
        name,
        Level.WARN,
        f"the clock {whose} is at least {seconds} of that of this process: calls with "
        "a countdown start at other times than their locks count with",
        "set the clocks by NTP",
    )
