"""Unsafe locks in any cache of Django, by the few commands that every cache has."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from socket import gethostname
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, Terminated
from django.core.cache import caches

from ..cells import LOCK, Cell, Cells, short_name
from ..promises import Promises
from ..stepwise import Answer, StepwiseBackend
from .url import alias_of, cache_url

#: Letters of a name that no cache warns of, with a prefix and a version before it.
_NAME_LENGTH = 200

_RISKS = (
    "without compare-and-delete a task that ends late may release the lock of the next "
    "one, and the cache may forget locks when it is full or cleared"
)


class CacheError(Exception):
    """An error of a cache; each cache has errors of its own."""


class AnyCacheBackend(StepwiseBackend):
    """Locks in any cache of Django; two tasks may have one lock at a time.

    The cache keeps each cell with its end, by the clients' clocks. A client takes a
    missing lock with the cache's ``add``, so the cache decides between two that come
    together. It reads all else first, and then writes: what another client writes in
    between is lost.

    Arguments:
        alias: of the cache.
        timeout: seconds after which a client stops trying; the cache has its own
            limits.
        local: whether each process has a cache of its own.
    """

    driver_errors = (CacheError, TimeoutError)

    promises = Promises(
        owner_safe=False,
        clock="the clients'",
        fenced=False,
        one_step=False,
        restart="what the cache keeps",
        needs="unique_task[django]",
        warning=f"two tasks may run at once: {_RISKS}",
    )

    def __init__(self, alias: str, *, timeout: float = 2.0, local: bool = False):
        self.name = cache_url(alias)
        self.shared = not local
        self._alias = alias
        self.timeout = timeout
        if local:
            self.promises = replace(
                self.promises,
                restart="none",
                warning="locks in a cache in memory hold within one process, and "
                f"there too {self.promises.warning}",
            )

    @classmethod
    def from_url(cls, url: str, timeout: float) -> AnyCacheBackend:
        return cls(alias_of(url)[0], timeout=timeout)

    def _identity(self) -> str:
        own = "" if self.shared else f"{gethostname()}/{os.getpid()}"
        return f"{self.name}{own}"

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        end = time.monotonic() + self.timeout
        while True:
            found = self._read(key, names)
            cells = Cells(found, time.time(), time.time_ns() // 1000)
            answer = step(cells)
            if self._write(key, cells, LOCK in found):
                return answer
            if time.monotonic() > end:
                raise TimeoutError(f"others change {key} all the time")

    def _read(self, key: str, names: Sequence[str]) -> dict[str, Cell]:
        short = {_short(key, name): name for name in names}
        with self._cache() as cache:
            found = cache.get_many(list(short))
            return {short[name]: Cell(*kept) for name, kept in found.items()}

    def _write(self, key: str, cells: Cells, found: bool) -> bool:
        """Write what the step has changed; return False if another client has the lock.

        The cache must have what an attempt leaves behind before its lock is free, and
        what an attempt gets only when it has the lock.
        """
        others = dict(cells.changed)
        lock = others.pop(LOCK, None)
        if lock is not None and not self._hold(key, lock, cells.now, found):
            return False
        for name, cell in others.items():
            self._keep(key, name, cell, cells.now)
        if found and LOCK in cells.changed and lock is None:
            self._keep(key, LOCK, None, cells.now)
        return True

    def _hold(self, key: str, lock: Cell, now: float, found: bool) -> bool:
        if found:
            self._keep(key, LOCK, lock, now)
            return True
        with self._cache() as cache:
            return bool(cache.add(_short(key, LOCK), _kept(lock), _whole(lock, now)))

    def _keep(self, key: str, name: str, cell: Cell | None, now: float) -> None:
        with self._cache() as cache:
            if cell is None:
                cache.delete(_short(key, name))
            else:
                cache.set(_short(key, name), _kept(cell), _whole(cell, now))

    @contextmanager
    def _cache(self) -> Iterator[Any]:
        try:
            # Each thread has its own.
            yield caches[self._alias]
        except (SoftTimeLimitExceeded, Terminated):
            raise
        except Exception as error:
            raise CacheError(f"{type(error).__name__}: {error}") from error


def _short(key: str, name: str) -> str:
    return short_name(key, name, _NAME_LENGTH)


def _kept(cell: Cell) -> tuple[bytes, float]:
    return cell.content, cell.end


def _whole(cell: Cell, now: float) -> int:
    # Some caches count whole seconds, and round down.
    return math.ceil(cell.end - now) + 1
