"""Locks within one process, for tests and demonstrations."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any

from cachetools import TLRUCache

from .base import (
    Acquired,
    Backend,
    Finished,
    Held,
    Renewal,
    Renewed,
    StoreAnswer,
    Stored,
)
from .record import Record, attempt_of

_ADMITTED, _FINISHED = "admitted", "finished"


@dataclass(frozen=True)
class _Entry:
    content: Any
    end: float


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

    def _acquire(
        self,
        key: str,
        record: Record,
        expire: float,
        stored: bool,
        once: float,
        over: Sequence[str],
    ) -> StoreAnswer:
        with self._mutex:
            mark = self._entries.get((attempt_of(record.token), key)) if once else None
            if mark is not None and mark.content == _FINISHED:
                return Finished()
            if stored and mark is None and (entry := self._entries.get(("value", key))):
                return Stored(entry.content)
            held = self._get(key)
            if held is None or held.record.token in over:
                if once:
                    self._mark(key, record.token, _ADMITTED, once)
                return Acquired(self._put(key, record, self._next_fence(), expire))
            if held.record.token == record.token:
                return Acquired(held.record.fence)
            return replace(held, admitted=mark is not None)

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
        self, key: str, token: str, value: bytes | None, fresh: float, finished: float
    ) -> bool:
        with self._mutex:
            if finished:
                self._mark(key, token, _FINISHED, finished)
            held = self._get(key)
            if held is None or held.record.token != token:
                return False
            if value is not None:
                self._entries["value", key] = _Entry(value, self._timer() + fresh)
            self._entries.pop(("lock", key), None)
            return True

    def _get(self, key: str) -> Held | None:
        with self._mutex:
            entry = self._entries.get(("lock", key))
            if entry is None:
                return None
            return Held(entry.content, entry.end - self._timer())

    def _mark(self, key: str, token: str, content: str, seconds: float) -> None:
        entry = _Entry(content, self._timer() + seconds)
        self._entries[attempt_of(token), key] = entry

    def _put(self, key: str, record: Record, fence: int, expire: float) -> int:
        entry = _Entry(replace(record, fence=fence), self._timer() + expire)
        self._entries["lock", key] = entry
        return fence

    def _next_fence(self) -> int:
        self._fence = max(time.time_ns() // 1000, self._fence + 1)
        return self._fence
