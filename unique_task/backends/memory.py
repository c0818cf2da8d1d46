"""Locks within one process, for tests and demonstrations."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from socket import gethostname
from threading import RLock
from typing import Any

from cachetools import TLRUCache

from .base import Backend
from .record import Record, attempt_of
from .steps import (
    Acquired,
    Booking,
    Claim,
    Finished,
    Heir,
    Held,
    Renewal,
    Renewed,
    Replaced,
    Reserved,
    StoreAnswer,
    Stored,
)

_ADMITTED, _FINISHED = "admitted", "finished"


@dataclass(frozen=True)
class _Entry:
    content: Any
    end: float


@dataclass(frozen=True)
class _Generation:
    """Messages with a smaller fence were replaced; up to `told` they know it."""

    fence: int
    told: int = 0


class MemoryBackend(Backend):
    """Locks in this process; other processes do not see them.

    Arguments:
        timer: seconds that never go back; another one makes time pass in tests.

    >>> backend = MemoryBackend()
    >>> backend.acquire("key", Record("task-1/0/0//a"), expire=10)
    Acquired(fence=...)
    """

    name = "memory://"
    shared = False

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._mutex = RLock()
        self._fence = 0
        # Unbounded: an evicted lock would be a lock given to two tasks.
        self._entries: TLRUCache[tuple[str, str], _Entry] = TLRUCache(
            maxsize=math.inf, ttu=lambda _, entry, now: entry.end, timer=timer
        )

    @classmethod
    def from_url(cls, url: str, timeout: float) -> MemoryBackend:
        return cls()

    def _identity(self) -> str:
        return f"{self.name}{gethostname()}/{os.getpid()}/{id(self)}"

    def _acquire(self, claim: Claim) -> StoreAnswer:
        with self._mutex:
            return self._not_needed(claim) or self._take(claim)

    def _not_needed(self, claim: Claim) -> Finished | Replaced | Stored | None:
        key, mark = claim.key, self._mark_of(claim)
        if mark == _FINISHED:
            return Finished()
        if not mark and self._is_replaced(key, claim.generation):
            held = self._get(key)
            return Replaced(held.record.owner if held else None)
        value = self._entries.get(("value", key))
        return Stored(value.content) if claim.stored and value and not mark else None

    def _is_replaced(self, key: str, number: int | None) -> bool:
        entry = self._entries.get(("generation", key))
        if entry is None or not number or entry.content.fence <= number:
            return False
        told = max(entry.content.told, number)
        generation = replace(entry.content, told=told)
        self._entries["generation", key] = replace(entry, content=generation)
        return True

    def _take(self, claim: Claim) -> Acquired | Held:
        key, token, admitted = claim.key, claim.record.token, bool(self._mark_of(claim))
        expire, held = claim.expire, self._get(key)
        if held is not None and held.record.token not in claim.over:
            if held.record.token == token:
                return Acquired(held.record.fence)
            return replace(held, admitted=admitted)
        if claim.once:
            self._mark(key, token, _ADMITTED, claim.once)
        if held is not None and claim.keep and expire:
            expire = held.remaining
        own = held is not None and held.record.token == token
        first = held.record.first if held is not None and own else None
        record = replace(claim.record, first=first)
        fence = self._put(key, record, self._next_fence(), expire)
        return Acquired(fence, admitted)

    def _reserve(self, booking: Booking) -> Reserved | Held | Stored:
        key, record = booking.key, booking.record
        with self._mutex:
            value = self._entries.get(("value", key))
            if booking.stored and value:
                return Stored(value.content)
            held, fence = self._get(key), self._next_fence()
            if held is not None and held.record.token == record.token:
                return _again(held.record)
            first = held.record.first if held is not None else fence
            since = 0 if first is None else (fence - first) / 1e6
            if held is not None:
                if booking.replace is None or first is None or since > booking.replace:
                    return held
                known = max(held.remaining, booking.expire) + booking.remember
                self._note_generation(key, fence, known)
            first = first if booking.replaceable else None
            self._put(key, replace(record, first=first), fence, booking.expire)
            return Reserved(fence, since, held)

    def _restore(self, key: str, token: str, held: Held) -> bool:
        with self._mutex:
            newer = self._get(key)
            # Its publish may have failed as well, while a third one held the lock.
            heir = self._entries.get((f"heir {held.record.token}", key))
            held = heir.content if heir else held
            if newer is None or newer.record.token != token:
                entry = self._entry(held, held.remaining)
                self._entries[f"heir {token}", key] = entry
                return False
            fence = held.record.fence or 0
            self._entries.pop(("lock", key), None)
            latest = self._entries.get(("generation", key))
            if latest is None or latest.content.told != fence:
                self._put(key, held.record, fence, held.remaining)
            if latest is not None:
                generation = replace(latest.content, fence=fence)
                self._entries["generation", key] = replace(latest, content=generation)
            return True

    def _note_generation(self, key: str, fence: int, seconds: float) -> None:
        before = self._entries.get(("generation", key))
        entry = self._entry(_Generation(fence), seconds)
        end = max(entry.end, before.end) if before else entry.end
        self._entries["generation", key] = replace(entry, end=end)

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        with self._mutex:
            return [self._renew_one(renewal) for renewal in renewals]

    def _renew_one(self, renewal: Renewal) -> Renewed:
        held = self._get(renewal.key)
        if held is not None and held.record.token != renewal.record.token:
            return Renewed.TAKEN
        fence = renewal.fence or 0
        self._fence = max(fence, self._fence)
        if renewal.once:
            self._mark(renewal.key, renewal.record.token, _ADMITTED, renewal.once)
        self._put(renewal.key, renewal.record, fence, renewal.expire)
        return Renewed.RETAKEN if held is None else Renewed.HELD

    def _release(
        self,
        key: str,
        token: str,
        value: bytes | None,
        fresh: float,
        finished: float,
        heir: Heir | None,
    ) -> bool:
        with self._mutex:
            if finished:
                self._mark(key, token, _FINISHED, finished)
            held = self._get(key)
            if held is None or held.record.token != token:
                return False
            if value is not None:
                self._entries["value", key] = self._entry(value, fresh)
            self._entries.pop(("lock", key), None)
            if heir is not None:
                record = replace(heir.record, first=None)
                self._put(key, record, held.record.fence or 0, heir.expire)
            return True

    def _get(self, key: str) -> Held | None:
        with self._mutex:
            entry = self._entries.get(("lock", key))
            if entry is None:
                return None
            return Held(entry.content, entry.end - self._timer())

    def _mark_of(self, claim: Claim) -> str | None:
        if not claim.once:
            return None
        mark = self._entries.get((attempt_of(claim.record.token), claim.key))
        return mark.content if mark else None

    def _mark(self, key: str, token: str, content: str, seconds: float) -> None:
        self._entries[attempt_of(token), key] = self._entry(content, seconds)

    def _put(self, key: str, record: Record, fence: int, expire: float) -> int:
        # A cache keeps the old entry where the new one has ended already.
        self._entries.pop(("lock", key), None)
        self._entries["lock", key] = self._entry(replace(record, fence=fence), expire)
        return fence

    def _entry(self, content: Any, seconds: float) -> _Entry:
        return _Entry(content, self._timer() + seconds)

    def _next_fence(self) -> int:
        self._fence = max(time.time_ns() // 1000, self._fence + 1)
        return self._fence


def _again(record: Record) -> Reserved:
    """What was answered when the lock was reserved, but for who was replaced."""
    fence = record.fence or 0
    first = fence if record.first is None else record.first
    return Reserved(fence, (fence - first) / 1e6)
