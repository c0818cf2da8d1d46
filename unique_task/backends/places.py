"""Who holds a lock, as a step sees it: one attempt, or several in places of their own.

A lock that was taken with a limit of one is a record in the cell of the lock. While
several hold it, or one that lets others in, that cell has an anchor, and each holder a
cell of its own::

    lock            2 <last fence> <number of holders>   ends with the last, or later
    holder:<token>  <record of this holder>              ends with its lease

The number still has holders whose time has ended. Only where it reaches the limit, the
store counts them.

Who wants the lock alone, or is of an older version, meets the anchor as it meets a
lock that is held.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from operator import attrgetter

from ..exceptions import LockRecordError
from .cells import LOCK, Cell, Cells, Crowd, anchor, held_in, holder_name
from .record import Record
from .steps import Held


class Places(ABC):
    """The places of one lock."""

    @abstractmethod
    def has_room(self) -> bool:
        """Tell whether one more may hold the lock."""

    @abstractmethod
    def holders(self, most: int | None = None) -> list[Held]:
        """Return the holders, at most so many of them that end first.

        Raises:
            LockRecordError: if a newer version wrote the lock.
        """

    @abstractmethod
    def held_by(self, token: str) -> Held | None:
        """Return the place of `token`, None if it has none that we can read."""

    @abstractmethod
    def keep(self, record: Record, fence: int, seconds: float) -> None:
        """Give `record` its place, under `fence`, or hold it for longer."""

    @abstractmethod
    def leave(self, token: str) -> None:
        """Free the place of a holder."""

    @abstractmethod
    def pass_through(self, fence: int) -> None:
        """Note a fence under which nobody holds the lock any more."""

    def first(self) -> Held | None:
        """Return the holder that ends first."""
        return next(iter(self.holders(1)), None)


class OnePlace(Places):
    """The only place of a lock with a limit of one."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def has_room(self) -> bool:
        return self._cells.get(LOCK) is None

    def holders(self, most: int | None = None) -> list[Held]:
        held = self._cells.held()
        return [] if held is None else [held]

    def held_by(self, token: str) -> Held | None:
        return self._cells.held_by(token)

    def keep(self, record: Record, fence: int, seconds: float) -> None:
        self._cells.hold(record, fence, seconds)

    def leave(self, token: str) -> None:
        self._cells.drop()

    def pass_through(self, fence: int) -> None:
        self._cells.drop()


class SeveralPlaces(Places):
    """The places of a lock that several may hold.

    Arguments:
        crowd: the holders beside the anchor.
        limit: of whoever asks. With a limit of one, who is alone has the lock as if
            there were no places: its next steps are the short ones.
    """

    def __init__(self, cells: Cells, crowd: Crowd, limit: int) -> None:
        self._cells = cells
        self._crowd = crowd
        self._limit = limit
        lock = cells.get(LOCK)
        # The one that took the lock with a limit of one.
        self._alone = None if lock is None or cells.is_shared() else lock
        self._count = cells.kept() + (self._alone is not None)
        self._end = cells.now if lock is None else lock.end

    def has_room(self) -> bool:
        if self._count >= self._limit:
            self._count = self._crowd.count() + (self._alone is not None)
        return self._count < self._limit and not self._is_unreadable()

    def _is_unreadable(self) -> bool:
        """Tell whether a newer version has the lock alone."""
        with suppress(LockRecordError):
            return self._alone is not None and self._cells.held() is None
        return True

    def holders(self, most: int | None = None) -> list[Held]:
        cells = list(self._crowd.ending(most))
        cells += [] if self._alone is None else [self._alone]
        found = [held_in(cell, self._cells.now) for cell in cells]
        return sorted(found, key=attrgetter("remaining"))[:most]

    def held_by(self, token: str) -> Held | None:
        in_place = self._cells.held_by(token, holder_name(token))
        return in_place or self._cells.held_by(token)

    def keep(self, record: Record, fence: int, seconds: float) -> None:
        held, name = self.held_by(record.token), holder_name(record.token)
        self._count += held is None
        if self._count == self._limit == 1:
            if held is not None:
                self._cells.drop(name)
            return self._cells.hold(record, fence, seconds)
        self._give_a_place(record.token)
        self._cells.hold(record, fence, seconds, name)
        self._end = max(self._end, self._cells.now + seconds)
        self._anchor(fence)

    def _give_a_place(self, but: str = "") -> None:
        """Let the one that had the lock alone go on beside others."""
        if self._alone is not None:
            token = held_in(self._alone, self._cells.now).record.token
            if token != but:
                self._cells.changed[holder_name(token)] = self._alone
            self._alone = None

    def leave(self, token: str) -> None:
        self._count -= 1
        if self._alone is None:
            self._cells.drop(holder_name(token))
        self._alone = None
        if self._count:
            self._anchor(0)
        else:
            self._cells.drop()

    def pass_through(self, fence: int) -> None:
        if self._count:
            self._give_a_place()
            self._anchor(fence)

    def _anchor(self, fence: int) -> None:
        last = max(fence, self._cells.last_fence())
        self._cells.changed[LOCK] = Cell(anchor(last, self._count), self._end)


def places_of(cells: Cells, limit: int) -> Places:
    """Return the places of the lock in `cells`, for one that asks with this limit."""
    if cells.crowd is None:
        return OnePlace(cells)
    return SeveralPlaces(cells, cells.crowd, limit)
