"""What happened to one key, and what will if nothing is done, in the order of time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..operating import Detail, Holder, LeftBehind, Lock
from .words import ago, duration

#: So many workers are named, the others only counted.
_NAMED = 10


@dataclass(frozen=True)
class Event:
    """Something that happened, or will happen.

    Attributes:
        moment: in seconds since 1970; None if nobody knows.
        what: for people.
        when: how long ago that was, or in how long it will be.
        past: whether it has happened.
    """

    moment: float | None
    what: str
    when: str
    past: bool


def timeline(detail: Detail, now: float | None = None) -> tuple[Event, ...]:
    """Return the events of a key: first what happened, then what will.

    Arguments:
        now: in seconds since 1970; None for this process's clock.
    """
    now = time.time() if now is None else now
    found = [*_of_locks(detail.locks, now), *_of_waiting(detail, now)]
    if detail.left_behind is not None:
        found += _of_value(detail.left_behind, now)
    # What happened at a time that nobody knows comes first.
    return tuple(sorted(found, key=lambda one: one.moment or 0.0))


def _of_locks(locks: Iterable[Lock], now: float) -> Iterator[Event]:
    for lock in locks:
        for holder in lock.holders:
            yield _past(holder.since, _began(holder))
            if math.isfinite(holder.remaining):
                yield _future(now, holder.remaining, _ends(holder))


def _began(holder: Holder) -> str:
    attempt = f", attempt {holder.retries + 1}" if holder.retries else ""
    texts = {
        "pending": f"the message of {holder.owner} was sent, with the lock",
        "running": f"{holder.owner} got the lock: it runs in {holder.worker}{attempt}",
        "called": f"{holder.owner} got the lock: it runs in place",
        "held": f"{holder.owner} began: {holder.hold}",
    }
    return texts.get(holder.state, f"{holder.owner} got the lock: {holder.state}")


def _ends(holder: Holder) -> str:
    if holder.hold:
        return f"{holder.owner} ends"
    unless = {"pending": "it starts", "running": "it is renewed"}.get(holder.state)
    return f"the lock of {holder.owner} ends{f', unless {unless}' if unless else ''}"


def _of_waiting(detail: Detail, now: float) -> Iterator[Event]:
    for waiting in detail.waiting:
        calls = "1 call waits" if waiting.count == 1 else f"{waiting.count} calls wait"
        yield _past(waiting.since, f"{calls} in {waiting.worker}, from here on")


def _of_value(left: LeftBehind, now: float) -> Iterator[Event]:
    if left.age is not None:
        yield _past(now - left.age, "a run ended, and left its value to duplicates")
    if left.has_value and left.fresh_for is not None:
        yield _future(now, left.fresh_for, "the value of an earlier run is too old")


def _past(moment: float | None, what: str) -> Event:
    return Event(moment, what, ago(moment), past=True)


def _future(now: float, seconds: float, what: str) -> Event:
    return Event(now + seconds, what, f"in {duration(seconds)}", past=False)


def left_behind_fields(left: LeftBehind) -> Iterable[tuple[str, str]]:
    """Return what runs have left behind, in words."""
    if left.has_value:
        age = [] if left.age is None else [f"stored {duration(left.age)} ago"]
        fresh = (
            [] if left.fresh_for is None else [f"fresh for {duration(left.fresh_for)}"]
        )
        yield "value", ", ".join(age + fresh) or "there is one"
    for mark in left.marks:
        again = "does not run" if mark.finished else "waits for this one"
        told = f"a second delivery of {mark.owner} {again}"
        yield "remembered", f"{told}; for {duration(mark.remaining)}"


def waiting_fields(detail: Detail) -> Iterable[tuple[str, str]]:
    """Return who waits for a key, in words."""
    for waiting in detail.waiting:
        since = ago(waiting.since)
        text = f"{waiting.count} in {waiting.worker}, the first came {since}"
        yield "waiting", text
    if detail.missing:
        yield "waiting", f"unknown ({detail.missing[0].reason})"
    elif not detail.waiting:
        yield "waiting", nobody_waits(detail)


def nobody_waits(detail: Detail) -> str:
    """Say which workers know of no call that waits: another one may stand still."""
    more = len(detail.answered) - _NAMED
    nodes = [*detail.answered[:_NAMED], *([f"{more} more"] if more > 0 else [])]
    return f"none in the workers that answered: {', '.join(nodes)}"
