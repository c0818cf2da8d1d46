"""Backends whose stores can list the locks that are held now."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..exceptions import ConfigurationError, LockRecordError
from .base import Backend
from .operation import in_turn
from .steps import Held

#: Holders of one lock that a list shows; a lock of thousands must not fill a page.
MOST_HOLDERS = 100

#: Locks that a store may be asked for at once: more would keep it from other work.
LONGEST_PAGE = 10_000

#: Ends of the names of locks. A wire format: processes of all versions share them.
PENDING = ".pending"
SUCCESSOR = ".successor"

_KINDS = {PENDING: "pending", SUCCESSOR: "successor"}

#: A name of ours behind a prefix, such as that of another project in the same store.
_PREFIXED = re.compile(
    rf".+[0-9a-f]{{32}}({re.escape(PENDING)}|{re.escape(SUCCESSOR)})?", re.DOTALL
)


@dataclass(frozen=True)
class ListedLock:
    """A lock that was held when the store was asked for it.

    Attributes:
        name: of the lock, as the methods of :class:`.Backend` take it for a key; None
            if the store keeps only a digest of it.
        holders: those that end first, at most :data:`MOST_HOLDERS`. Empty if they
            cannot be told: the lock is unreadable, or several hold it and `name` is
            None.
        remaining: seconds until the lock is free at the latest, if nothing renews it.
        unreadable: a newer version of this library wrote the lock.
    """

    name: str | None
    holders: Sequence[Held]
    remaining: float
    unreadable: bool = False

    @property
    def kind(self) -> str | None:
        """Return what the lock is for; None if the store does not tell.

        ``pending``: a message, beside the lock of a run. ``successor``: the message of
        a successor. ``key``: all the rest, which share one form of names: a message, a
        run, or one of several runs of a key that may go on at once.
        """
        if self.name is None:
            return None
        return next((_KINDS[e] for e in _KINDS if self.name.endswith(e)), "key")

    @property
    def key(self) -> str | None:
        """Return the key to which the lock belongs; None if the store has a digest."""
        if self.name is None or self.kind == "key":
            return self.name
        return self.name.rpartition(".")[0]


class Lists(Backend):
    """A backend that can list its locks, if its promises say so as well.

    To write one, implement the hook :meth:`_pages`, and promise ``lists=True``. A
    backend that stands before another one promises what that does.
    """

    def locks(self, *, page: int = 1000) -> Iterator[ListedLock]:
        """Return all locks that are held now, in no order, as they come in.

        A lock that is held from the first page to the last is listed, also if its
        holder changes; one that is taken or released meanwhile may be. Redis may list
        a lock twice, if it resizes its table of keys meanwhile; a page has none twice.
        While slots move between the nodes of a Cluster, locks may be missing.

        Not listed: what is no lock, such as values and marks of attempts; locks with
        another prefix. A store that keeps a digest of a name cannot tell its prefix,
        so there such locks are listed by all backends whose prefixes need digests, and
        by that without a prefix.

        Arguments:
            page: how many locks the store is asked for at once. It takes a connection
                for the time of a page only.

        Raises:
            ConfigurationError: if `page` is no number of locks; if the store cannot
                list its locks.
            LockStoreError: at the end, if locks are missing: after what came until
                then if the store does not answer, after the locks of all other servers
                if some of a cluster do not.
        """
        if isinstance(page, bool) or page not in range(1, LONGEST_PAGE + 1):
            raise ConfigurationError(
                f"page={page!r}: must be a whole number from 1 to {LONGEST_PAGE}"
            )
        if not self.promises.lists:
            raise ConfigurationError(
                f"{self.name}: the store cannot list its locks: look at one lock by "
                "its key, or use another store"
            )
        return self._listed(self._pages(page, ""))

    def _listed(self, pages: Iterator[Sequence[ListedLock]]) -> Iterator[ListedLock]:
        while (found := in_turn(self, next, pages, None)) is not None:
            yield from (lock for lock in found if _is_own(lock))

    @abstractmethod
    def _pages(self, size: int, prefix: str) -> Iterator[Sequence[ListedLock]]:
        """Return the held locks with names that begin with `prefix`, page by page.

        Arguments:
            size: of a page, about.
            prefix: not part of the names that are returned.

        To make a page is one operation, in its time; between two pages nothing in the
        store may be open. A page may be empty.
        """


def _is_own(lock: ListedLock) -> bool:
    """Tell whether a lock belongs to this backend, not to one with a longer prefix."""
    return lock.name is None or not _PREFIXED.fullmatch(lock.name)


def lister_of(backend: Backend) -> Lists | None:
    """Return `backend` if it can list its locks, None if its store cannot."""
    if isinstance(backend, Lists) and backend.promises.lists:
        return backend
    return None


def listed(
    name: str | None, remaining: float, holders: Callable[[], Sequence[Held]]
) -> Sequence[ListedLock]:
    """Return the lock `name` if somebody holds it.

    Arguments:
        remaining: seconds until the lock ends.
        holders: reads them; it raises LockRecordError if a newer version wrote them.
    """
    try:
        found = tuple(holders())
    except LockRecordError:
        return [ListedLock(name, (), remaining, unreadable=True)]
    return [ListedLock(name, found, remaining)] if found else []
