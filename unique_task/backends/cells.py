"""The cells in which a store that runs no code keeps one lock, each with its end.

The names of cells and the texts in them are stored, and processes of two versions share
them. They must not change without a new :data:`.record.VERSION`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..exceptions import LockRecordError
from .record import ANCHOR, VERSION, Record, attempt_of
from .steps import Held

#: The record of the holder, or an anchor; see :mod:`.places`.
LOCK = "lock"
#: What an earlier run returned.
VALUE = "value"
#: Two fences: of the last message that took the place of another, and the greatest of
#: a replaced message that was notified.
GENERATION = "generation"

#: Contents of the mark of an attempt: it got the lock; it must not run again.
ADMITTED, FINISHED = b"admitted", b"finished"


def mark_name(token: str) -> str:
    """Return the name of the cell that marks an attempt, in all its deliveries."""
    return f"attempt:{attempt_of(token)}"


def leaving_name(token: str) -> str:
    """Return the name of the cell of an attempt that is leaving, see :class:`.Leaving`.

    It holds a record, as the lock does.
    """
    return f"leaving:{attempt_of(token)}"


def heir_name(token: str) -> str:
    """Return the name of the cell with the record that gets the lock after `token`."""
    return f"heir:{token}"


def holder_name(token: str) -> str:
    """Return the name of the cell of one of several holders."""
    return f"{_HOLDER}{token}"


def is_holder(name: str) -> bool:
    """Tell whether a cell is that of one of several holders."""
    return name.startswith(_HOLDER)


_HOLDER = "holder:"


def anchor(last: int, kept: int) -> bytes:
    """Return the content of a lock with `kept` holders, and its last fence."""
    return f"{ANCHOR} {last} {kept}".encode()


def short_name(key: str, name: str, longest: int) -> str:
    """Return the name of a cell in a store that allows no long or odd names."""
    text = f"unique:{key}:{name}"
    if len(text) <= longest and _PLAIN.fullmatch(text):
        return text
    return f"unique:{hashlib.blake2b(text.encode(), digest_size=20).hexdigest()}"


_PLAIN = re.compile("[!-~]+")


@dataclass(frozen=True)
class Cell:
    """A content, and its end by the store's clock."""

    content: bytes
    end: float


@dataclass(frozen=True)
class Crowd:
    """The holders of a lock with an anchor, without those whose time has ended.

    Attributes:
        count: returns how many they are.
        ending: returns their cells, at most so many of those that end first; all for
            None.
    """

    count: Callable[[], int]
    ending: Callable[[int | None], Sequence[Cell]]


class Cells:
    """The cells of one key, as a step finds them and as it leaves them.

    Arguments:
        found: the cells that the step reads, as far as the store has them.
        now: seconds by the clock that ends the cells.
        fence: microseconds since 1970 by the store's clock, or a number above all
            fences before.
        last: the last fence of the lock, if the store still knows it once the lock is
            free.
        crowd: the holders beside an anchor; None for a step that expects none.

    Attributes:
        changed: the cells that the store has to keep; None for one to forget.
    """

    def __init__(
        self,
        found: Mapping[str, Cell],
        now: float,
        fence: int,
        last: int | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self._found = found
        self.crowd = crowd
        self.last = last
        self.now = now
        self.fence = fence
        self.changed: dict[str, Cell | None] = {}

    def get(self, name: str) -> Cell | None:
        """Return a cell, None if its time has ended."""
        cell = self._found.get(name)
        return cell if cell is not None and cell.end > self.now else None

    def content(self, name: str) -> bytes | None:
        """Return the content of a cell, None if its time has ended."""
        cell = self.get(name)
        return cell.content if cell is not None else None

    def held(self, name: str = LOCK) -> Held | None:
        """Return the holder in a cell, None if there is none."""
        cell = self.get(name)
        return None if cell is None else held_in(cell, self.now)

    def held_by(self, token: str, name: str = LOCK) -> Held | None:
        """Return the holder in a cell if it is `token`.

        A record of a newer version is not ours.
        """
        with suppress(LockRecordError):
            held = self.held(name)
            if held is not None and held.record.token == token:
                return held
        return None

    def is_shared(self) -> bool:
        """Tell whether the lock has an anchor, and each holder a cell of its own."""
        return bool(_anchor_words(self.get(LOCK)))

    def was_shared(self) -> bool:
        """Tell whether the time of all holders beside the anchor has ended."""
        cell = self._found.get(LOCK)
        over = cell is not None and 0 < cell.end <= self.now
        return over and bool(_anchor_words(cell))

    def kept(self) -> int:
        """Return the number in the anchor; no more hold the lock in places."""
        words = _anchor_words(self.get(LOCK))
        return int(words[2]) if words else 0

    def last_fence(self) -> int:
        """Return the fence in the cell of the lock, 0 if that is free."""
        content = self.content(LOCK)
        return 0 if content is None else int(content.split(b" ", 2)[1])

    def was_taken_since(self, fence: int | None) -> bool:
        """Tell whether another attempt took the lock, if the store still knows it."""
        return bool(self.last and fence and self.last > fence)

    def generation(self) -> tuple[int, int]:
        """Return the fences of the last replacement and of the last one notified."""
        words = (self.content(GENERATION) or b"0 0").split()
        return int(words[0]), int(words[1])

    def next_fence(self) -> int:
        """Return a fence that is greater than all before."""
        last = max(self.last_fence(), *self.generation())
        self.fence = max(self.fence, last + 1)
        return self.fence

    def put(self, name: str, content: bytes, seconds: float) -> None:
        """Keep `content` for so many seconds from now."""
        self.changed[name] = Cell(content, self.now + seconds)

    def hold(
        self, record: Record, fence: int, seconds: float, name: str = LOCK
    ) -> None:
        """Make `record` the holder, under `fence`."""
        self.fence = max(self.fence, fence)
        self.put(name, record.text(fence).encode(), seconds)

    def set_generation(self, latest: int, notified: int, seconds: float = 0) -> None:
        """Keep the generation for so many seconds, but no shorter than before."""
        before = self.get(GENERATION)
        left = before.end - self.now if before is not None else 0
        if seconds or self.generation() != (latest, notified):
            text = f"{latest} {notified}"
            self.put(GENERATION, text.encode(), max(seconds, left))

    def notify_replaced(self, fence: int) -> bool:
        """Tell whether the message of this fence was replaced; note that."""
        latest, notified = self.generation()
        if latest <= fence:
            return False
        self.set_generation(latest, max(notified, fence))
        return True

    def drop(self, name: str = LOCK) -> None:
        """Forget a cell."""
        self.changed[name] = None


def _anchor_words(cell: Cell | None) -> list[bytes]:
    """Return the words of an :func:`anchor`, none for any other cell."""
    words = [] if cell is None else cell.content.split()
    return words if words[:1] == [ANCHOR.encode()] and len(words) == 3 else []


def is_record_of(content: bytes, token: str) -> bool:
    """Tell whether a text is a record of our version, with this token.

    To read all of the record would take much longer.
    """
    version, *rest = content.split(b" ", 3)
    return version == VERSION.encode() and rest[1:2] == [token.encode()]


def held_in(cell: Cell, now: float) -> Held:
    """Return the holder in a cell.

    Raises:
        LockRecordError: if a newer version wrote it.
    """
    record = Record.parse(cell.content.decode(errors="backslashreplace"))
    return Held(record, cell.end - now)
