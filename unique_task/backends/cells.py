"""What a store that runs no code of its own keeps of one lock, and for how long."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..exceptions import LockRecordError
from .record import Record, attempt_of
from .steps import Held

#: The record of who holds the lock.
LOCK = "lock"
#: What an earlier run returned.
VALUE = "value"
#: Fence of the last message that took the place of another, and the greatest of those
#: that were told so.
GENERATION = "generation"

#: What is remembered of an attempt.
ADMITTED, FINISHED = b"admitted", b"finished"


def mark_name(token: str) -> str:
    """Return the cell that remembers an attempt, in all its deliveries."""
    return f"attempt:{attempt_of(token)}"


def leaving_name(token: str) -> str:
    """Return the cell of an attempt that has left its body, see :class:`.Leaving`."""
    return f"leaving:{attempt_of(token)}"


def heir_name(token: str) -> str:
    """Return the cell of who gets the lock in place of `token`."""
    return f"heir:{token}"


def short_name(key: str, name: str, longest: int) -> str:
    """Return under what a store keeps a cell that allows no long or odd names."""
    text = f"unique:{key}:{name}"
    if len(text) <= longest and _PLAIN.fullmatch(text):
        return text
    return f"unique:{hashlib.blake2b(text.encode(), digest_size=20).hexdigest()}"


@dataclass(frozen=True)
class Cell:
    """A content, and until when it counts, by the clock of the store."""

    content: bytes
    end: float


_PLAIN = re.compile("[!-~]+")


class Cells:
    """The cells of one key, as a step finds them and as it leaves them.

    Arguments:
        found: what the store has of those that the step needs.
        now: seconds, by the clock that the ends are told in.
        fence: microseconds since 1970 by the store's clock, or more than was given to
            anybody before.
        last: the last one that was given, if the store remembers that of a lock that
            was freed.

    Attributes:
        changed: what the store is to keep, and None for what it is to forget.
    """

    def __init__(
        self, found: Mapping[str, Cell], now: float, fence: int, last: int | None = None
    ) -> None:
        self._found = found
        self.last = last
        self.now = now
        self.fence = fence
        self.changed: dict[str, Cell | None] = {}

    def get(self, name: str) -> Cell | None:
        """Return a cell that still counts."""
        cell = self._found.get(name)
        return cell if cell is not None and cell.end > self.now else None

    def content(self, name: str) -> bytes | None:
        """Return what a cell holds, None if it does not count any more."""
        cell = self.get(name)
        return cell.content if cell is not None else None

    def held(self, name: str = LOCK) -> Held | None:
        """Return who has the lock, or would be given it back."""
        cell = self.get(name)
        if cell is None:
            return None
        return Held(_record(cell), cell.end - self.now)

    def held_by(self, token: str) -> Held | None:
        """Return the lock if `token` has it; not that of a newer version."""
        with suppress(LockRecordError):
            held = self.held()
            if held is not None and held.record.token == token:
                return held
        return None

    def generation(self) -> tuple[int, int]:
        """Return the fence of the last replacement, and the greatest that was told."""
        words = (self.content(GENERATION) or b"0 0").split()
        return int(words[0]), int(words[1])

    def next_fence(self) -> int:
        """Return a fence that is greater than all before."""
        held = self.held()
        last = (held.record.fence or 0) if held is not None else 0
        self.fence = max(self.fence, last + 1, *(n + 1 for n in self.generation()))
        return self.fence

    def put(self, name: str, content: bytes, seconds: float) -> None:
        """Keep `content` for so many seconds from now."""
        self.changed[name] = Cell(content, self.now + seconds)

    def hold(
        self, record: Record, fence: int, seconds: float, name: str = LOCK
    ) -> None:
        """Give the lock to `record` under `fence`."""
        self.fence = max(self.fence, fence)
        self.put(name, record.text(fence).encode(), seconds)

    def tell(self, fence: int, told: int, seconds: float = 0) -> None:
        """Keep the generation, for so many seconds or as long as before."""
        before = self.get(GENERATION)
        left = before.end - self.now if before is not None else 0
        if seconds or self.generation() != (fence, told):
            self.put(GENERATION, f"{fence} {told}".encode(), max(seconds, left))

    def drop(self, name: str = LOCK) -> None:
        """Forget a cell."""
        self.changed[name] = None


def _record(cell: Cell) -> Record:
    return Record.parse(cell.content.decode(errors="backslashreplace"))
