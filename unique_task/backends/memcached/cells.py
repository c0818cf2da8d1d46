"""The cells of a lock as memcached has them, and the way back for what changes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from pymemcache.client.base import PooledClient
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from ..cells import GENERATION, LOCK, VALUE, Cell, Cells, short_name

#: Longest name that the server allows.
_NAME_LENGTH = 250

#: Seconds by which the server's clock may be behind: it ticks once a second, and late
#: where the machine is busy.
_BEHIND = 2

#: Seconds; a longer time would be taken for a date.
LONGEST = 30 * 86400 - _BEHIND


#: Letters of a record: of an answer of more than 4096 bytes the client drops a part,
#: and it may have two records.
LONGEST_RECORD = 1500


class Change:
    """The cells of a key as they are found, and the way back for what changes.

    Arguments:
        end: after which nothing is asked any more, by the monotonic clock.
    """

    def __init__(
        self, node: PooledClient, key: str, names: Sequence[str], end: float
    ) -> None:
        self._client = node
        self._end = end
        self._key = key
        self._names = [name for name in names if name != VALUE]
        self._unique: dict[str, str] = {}
        self._found = self._read(self._names)
        found = dict(self._found)
        self._with_value = VALUE in names
        self._value = self._read_value()
        if self._value is not None:
            found[VALUE] = Cell(self._value, math.inf)
        # By the client's clock: it tells messages apart that replace each other, and
        # is no fence for anybody else.
        self.cells = Cells(found, now=0, fence=time.time_ns() // 1000)

    @property
    def _node(self) -> PooledClient:
        # Each answer may come in time for one, and all of them too late.
        if time.monotonic() > self._end:
            raise TimeoutError("too slow, or others change the lock all the time")
        return self._client

    def _read_value(self) -> bytes | None:
        if not self._with_value:
            return None
        value: bytes | None = self._node.get(self._short(VALUE))
        return value

    def _read(self, names: Sequence[str]) -> dict[str, Cell]:
        """Read lines of text with their ends, which the plain commands do not tell."""
        asked = [f"mg {self._short(name)} v t c" for name in names]
        # One more marks the end of the answers.
        answer = self._node.raw_command("\r\n".join([*asked, "mn"]), "MN\r\n")
        found = {}
        for name, one in zip(names, _answers(answer, len(names))):
            self._unique.pop(name, None)
            if one is not None:
                found[name], self._unique[name] = one
        return found

    def write(self) -> bool:
        """Keep what has changed; False if another one was faster.

        What an attempt leaves behind must be there before its lock is free, and what
        it is given only when the lock is its own.
        """
        changed = self.cells.changed
        lock = changed.get(LOCK)
        if LOCK in changed and lock is None:
            self._keep_others()
            return self._free()
        if lock is not None and not (self._swap(LOCK, lock) and self._still(lock)):
            return False
        self._keep_others()
        return True

    def _still(self, lock: Cell) -> bool:
        """Tell whether the rest is as it was found, now that the lock is ours.

        Another one may have had the lock in between, and left it free again::

            one     reads: free, not finished                        takes the lock
            other                            takes it, finishes, frees
        """
        alone = len(self._names) == 1 and not self._with_value
        if alone or LOCK in self._found:
            return True
        again = self._read(self._names)
        mine = again.pop(LOCK, None)
        same = _contents(again) == _contents(self._found)
        if same and self._read_value() == self._value:
            return True
        if mine is not None and mine.content == lock.content:
            self._free()
            return False
        # A message may have its lock, and lose it to a later one at once.
        return b" pending " in lock.content

    def _free(self) -> bool:
        if LOCK not in self._unique:
            return True
        # Only as it was found.
        command = f"md {self._short(LOCK)} C{self._unique[LOCK]}"
        return bool(self._node.raw_command(command).startswith(b"HD"))

    def _keep_others(self) -> None:
        for name, cell in self.cells.changed.items():
            if name == GENERATION and cell is not None:
                self._keep_generation(cell)
            elif name != LOCK and cell is not None:
                self._node.set(self._short(name), cell.content, _whole(cell.end))
            elif name != LOCK:
                self._node.delete(self._short(name))

    def _keep_generation(self, cell: Cell) -> None:
        """Keep who was replaced last, and who was told so; others do so meanwhile."""
        before = self._found.get(GENERATION)
        while not self._swap(GENERATION, cell):
            found = self._read([GENERATION]).get(GENERATION)
            if found is not None:
                cell = _merged(before, found, cell)

    def _swap(self, name: str, cell: Cell) -> bool:
        """Keep a cell, if the server still has it as it was found."""
        short, expire = self._short(name), _whole(cell.end)
        if name not in self._unique:
            return bool(self._node.add(short, cell.content, expire))
        return bool(self._node.cas(short, cell.content, self._unique[name], expire))

    def _short(self, name: str) -> str:
        return short_name(self._key, name, _NAME_LENGTH)


def _whole(seconds: float) -> int:
    """Return for how many seconds memcached has to keep what must not end early."""
    return math.ceil(min(seconds, LONGEST)) + _BEHIND


def _answers(text: bytes, count: int) -> list[tuple[Cell, str] | None]:
    """Return the cells that were asked for, each with its unique number.

    Raises:
        MemcacheUnexpectedCloseError: if a part is missing. The client drops what came
            before the last packet of an answer of several.
    """
    lines = text.split(b"\r\n")
    found: list[tuple[Cell, str] | None] = []
    try:
        for _ in range(count):
            head, *flags = lines.pop(0).split()
            if head == b"EN":
                found.append(None)
                continue
            told = {flag[:1]: flag[1:] for flag in flags[1:]}
            content = lines.pop(0)
            if head != b"VA" or len(content) != int(flags[0]):
                raise ValueError(head)
            cell = Cell(content, _left(int(told[b"t"])))
            found.append((cell, told[b"c"].decode()))
        if lines != [b""]:
            raise ValueError(lines)
    except (ValueError, IndexError, KeyError):
        raise MemcacheUnexpectedCloseError from None
    return found


def _contents(cells: dict[str, Cell]) -> dict[str, bytes]:
    return {name: cell.content for name, cell in cells.items() if name != LOCK}


def _merged(before: Cell | None, found: Cell, own: Cell) -> Cell:
    """Return what two have made of the generation `before`.

    Of two that replaced the same message, in turn, the first may come last; what was
    told stays told. Who gave a lock back has lowered the number.
    """
    was = _numbers(before)[0] if before else 0
    (mine, told), (others, told_by_others) = _numbers(own), _numbers(found)
    latest = max({mine, others} - {was}, default=was)
    text = f"{latest} {max(told, told_by_others)}"
    return Cell(text.encode(), max(own.end, found.end))


def _numbers(generation: Cell) -> tuple[int, int]:
    latest, told = generation.content.split()
    return int(latest), int(told)


def _left(seconds: int) -> float:
    """Return for how long at least something stays that memcached gives so long."""
    if seconds < 0:  # it was kept by hand, for ever
        return math.inf
    return max(0.1, seconds - _BEHIND)
