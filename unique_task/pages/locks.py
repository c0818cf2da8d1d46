"""A page of the locks that are held, one row a holder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from celery import Celery

from .. import operating
from ..operating import Holder, Lock, Missing
from ..operating.targets import KEY
from .inputs import Filters
from .words import ago, duration

#: Locks on a page.
SIZE = 50


@dataclass(frozen=True)
class Row:
    """A holder of a lock; or a lock whose holders cannot be told.

    Attributes:
        lock: that is held.
        holder: None if it cannot be told.
    """

    lock: Lock
    holder: Holder | None

    @property
    def wanted(self) -> str:
        """What names the lock to :func:`.operating.show`; empty if nothing does."""
        if self.key:
            return self.key
        return self.holder.owner if self.holder else ""

    @property
    def key(self) -> str:
        """That of the lock; empty if the store has none that is ours."""
        key = self.lock.key or ""
        return key if KEY.fullmatch(key) else ""

    @property
    def state(self) -> str:
        """The holder's state, in a word or two."""
        if self.holder:
            return self.holder.state
        return "newer version" if self.lock.unreadable else "several"

    @property
    def since(self) -> str:
        """How long it has been held."""
        return ago(self.holder.since if self.holder else None)

    @property
    def left(self) -> str:
        """How long it stands if nothing renews it."""
        source = self.holder or self.lock
        return duration(source.remaining)


def rows_of(locks: Sequence[Lock]) -> Iterator[Row]:
    """Yield the rows of a table of locks."""
    for lock in locks:
        if not lock.holders:
            yield Row(lock, None)
        for holder in lock.holders:
            yield Row(lock, holder)


@dataclass(frozen=True)
class LocksPage:
    """Some of the locks that fit the filters.

    Attributes:
        filters: as they were given.
        rows: of the table.
        number: of the page, from 1 on.
        more: whether there is a next one.
        missing: what the stores cannot show, and why.
    """

    filters: Filters
    rows: tuple[Row, ...]
    number: int
    more: bool
    missing: tuple[Missing, ...]


def locks_page(app: Celery, filters: Filters, *, timeout: float) -> LocksPage:
    """Return the page of locks that is asked for.

    Arguments:
        timeout: seconds to wait for the workers' answers; 0 not to ask them.

    Raises:
        InputError: if a filter is not allowed.
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    wanted, number = filters.wanted, filters.page
    found = operating.page(
        app, wanted, skip=(number - 1) * SIZE, size=SIZE, timeout=timeout
    )
    return LocksPage(
        filters, tuple(rows_of(found.locks)), number, found.more, found.missing
    )
