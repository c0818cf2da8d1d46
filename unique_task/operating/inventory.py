"""Lists the locks of an app, from all its stores: each of them, or a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import chain, islice
from time import monotonic, time

from celery import Celery

from ..backends.base import Backend
from ..backends.listing import ListedLock, lister_of
from ..exceptions import LockStoreError
from .app_tasks import stores_of
from .holders import Holder, Lock, Missing
from .verdicts import judged
from .workers import TIMEOUT, Workers

#: Locks that a store is asked for at once, and workers about them.
_PAGE = 1000


@dataclass(frozen=True)
class Wanted:
    """Which holders to list; a pattern is as in a shell: ``shop.*``.

    Attributes:
        task: pattern of the names of tasks.
        worker: pattern of the names of nodes; no worker has a message in a queue.
        states: empty for all.
        verdicts: empty for all.
        older_than: seconds for which they have held the lock at least. With more than
            0, none of a store without a clock.
        owner: id of the task; None for all.
    """

    task: str = "*"
    worker: str = "*"
    states: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    older_than: float = 0
    owner: str | None = None

    def fits(self, holder: Holder) -> bool:
        """Tell whether a holder is wanted, whatever the verdict on it."""
        return (
            fnmatchcase(holder.task, self.task)
            and fnmatchcase(holder.worker, self.worker)
            and (not self.states or holder.state in self.states)
            and (self.owner is None or holder.owner == self.owner)
            and (not self.older_than or _age(holder) >= self.older_than)
        )


def _age(holder: Holder) -> float:
    return 0.0 if holder.since is None else time() - holder.since


#: All of them.
EVERY = Wanted()


def locks(
    app: Celery, wanted: Wanted = EVERY, *, timeout: float = TIMEOUT
) -> Iterator[Lock | Missing]:
    """Yield the locks that are held, each with those of its holders that are wanted.

    A lock whose holders cannot be told is yielded if every lock is wanted. What a store
    cannot show is yielded as :class:`.Missing`, behind what it can. Memory is bounded,
    whatever the number of locks.

    Arguments:
        timeout: seconds to wait for the workers' answers; 0 not to ask. They are asked
            once for each page of locks whose holders cannot be judged by their
            processes, and only the first time takes that long if all answer.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    workers = Workers(app, timeout)
    for backend in stores_of(app).values():
        missing: list[Missing] = []
        yield from _judged(app, _wanted(backend, wanted, missing), wanted, workers)
        yield from missing


@dataclass(frozen=True)
class Page:
    """Some of the locks that are held.

    Attributes:
        locks: each with those of its holders that are wanted.
        more: whether there are more behind them.
        missing: what the stores that were asked cannot show.
    """

    locks: tuple[Lock, ...]
    more: bool
    missing: tuple[Missing, ...]


def page(
    app: Celery,
    wanted: Wanted = EVERY,
    *,
    skip: int = 0,
    size: int = 50,
    timeout: float = TIMEOUT,
    seconds: float = 10,
) -> Page:
    """Return some of the locks that :func:`locks` yields.

    Workers are asked about these alone, unless locks of some verdict are wanted.

    Arguments:
        skip: how many there are before them; to come to them, all stores are read.
        size: how many to return at most.
        timeout: seconds to wait for the workers' answers; 0 not to ask.
        seconds: to read the stores. Where they have too many locks to come to the end,
            the rest is among what is missing.

    Raises:
        ConfigurationError: as there.
    """
    missing: list[Missing] = []
    workers = Workers(app, timeout)
    until = monotonic() + seconds
    found = _of_all(list(stores_of(app).values()), wanted, missing, until)
    if wanted.verdicts:
        found = _judged(app, found, wanted, workers)
    some = list(islice(found, skip, skip + size + 1))
    here = some[:size] if wanted.verdicts else judged(app, some[:size], workers)
    return Page(tuple(here), len(some) > size, tuple(missing))


def _of_all(
    stores: list[Backend], wanted: Wanted, missing: list[Missing], until: float
) -> Iterator[Lock]:
    """Return the wanted locks of all stores; nobody has judged them yet.

    Each store is asked for its first one, so that one that is away is noted, also if
    others have locks enough for a page.
    """
    found = [_wanted(store, wanted, missing, until) for store in stores]
    first = [list(islice(locks, 1)) for locks in found]
    return chain.from_iterable(map(chain, first, found))


def _judged(
    app: Celery, found: Iterator[Lock], wanted: Wanted, workers: Workers
) -> Iterator[Lock]:
    while some := list(islice(found, _PAGE)):
        for lock in judged(app, some, workers):
            yield from _with_verdict(lock, wanted)


def _wanted(
    backend: Backend, wanted: Wanted, missing: list[Missing], until: float = math.inf
) -> Iterator[Lock]:
    """Yield the wanted locks of a store, and note in `missing` what it cannot show.

    Arguments:
        until: when to stop, by the monotonic clock.
    """
    for lock in _listed(backend, missing):
        if monotonic() >= until:
            reason = "there was no time to look at all its locks: ask for fewer"
            missing.append(Missing(backend.name, reason))
            return
        holders = tuple(filter(wanted.fits, lock.holders))
        if holders or (wanted == EVERY and not lock.holders):
            yield replace(lock, holders=holders)


def _listed(backend: Backend, missing: list[Missing]) -> Iterator[Lock]:
    lister = lister_of(backend)
    if lister is None:
        reason = "the store cannot list its locks: ask for one by its key or its call"
        missing.append(Missing(backend.name, reason))
        return
    if not backend.shared:
        reason = "each process has locks of its own there: only these are seen"
        missing.append(Missing(backend.name, reason))
    try:
        for listed in lister.locks(page=_PAGE):
            yield _lock(backend, listed)
    except LockStoreError as error:
        missing.append(Missing(backend.name, str(error)))


def _lock(backend: Backend, listed: ListedLock) -> Lock:
    return Lock(
        store=backend.name,
        fingerprint=backend.fingerprint,
        name=listed.name,
        key=listed.key,
        kind=listed.kind or "key",
        holders=tuple(map(Holder.of, listed.holders)),
        remaining=listed.remaining,
        unreadable=listed.unreadable,
    )


def _with_verdict(lock: Lock, wanted: Wanted) -> Iterator[Lock]:
    verdicts = wanted.verdicts
    holders = tuple(h for h in lock.holders if not verdicts or h.verdict in verdicts)
    if holders or not lock.holders:
        yield replace(lock, holders=holders)
