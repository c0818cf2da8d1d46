"""Reads the cells of a lock from memcached, and writes those that a step changes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from ...exceptions import ConfigurationError
from ..cells import GENERATION, LOCK, VALUE, Cell, Cells, short_name
from ..record import Record

#: Letters of the longest name that the server allows.
NAME_LENGTH = 250

#: Seconds by which the server's clock may be behind: it ticks once a second, and late
#: where the machine is busy.
_BEHIND = 2

#: Seconds that a cell can last; memcached takes a greater number for a date.
LONGEST = 30 * 86400 - _BEHIND

#: Letters of a record. The client drops a part of an answer of more than 4096 bytes,
#: and an answer may have two records.
LONGEST_RECORD = 1500


class Change:
    """One change of the cells of a key: read first, written if no other was faster.

    Arguments:
        client: of the server that has the key.
        names: of the cells that the step reads, the lock first.
        end: of all questions to the server, by the monotonic clock.
    """

    def __init__(
        self, client: Client, key: str, names: Sequence[str], end: float
    ) -> None:
        self._client = client
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
        # By the client's clock: it orders messages that replace each other, and no task
        # gets it as its fence.
        self.cells = Cells(found, now=0, fence=time.time_ns() // 1000)

    @property
    def _node(self) -> Client:
        # Each answer may come in time, and all of them too late.
        if time.monotonic() > self._end:
            raise TimeoutError("too slow, or others change the lock all the time")
        return self._client

    def _read_value(self) -> bytes | None:
        if not self._with_value:
            return None
        value: bytes | None = self._node.get(self._short(VALUE))
        return value

    def _read(self, names: Sequence[str]) -> dict[str, Cell]:
        """Read cells with their ends, which the plain commands do not return."""
        requests = [f"mg {self._short(name)} v t c" for name in names]
        # One more marks the end of the answers.
        answer = self._node.raw_command("\r\n".join([*requests, "mn"]), "MN\r\n")
        found = {}
        for name, one in zip(names, _answers(answer, len(names))):
            self._unique.pop(name, None)
            if one is not None:
                found[name], self._unique[name] = one
        return found

    def write(self) -> bool:
        """Write what the step has changed; return False if another client was faster.

        The store must have what an attempt leaves behind before its lock is free, and
        what an attempt gets only when it has the lock.
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
        """Tell whether the other cells are unchanged, now that the lock is ours.

        Another client may have had the lock in between::

            one     reads: free, not finished                        takes the lock
            other                            takes, finishes, releases it
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
        # A message may get its lock, and lose it to a later message at once.
        return b" pending " in lock.content

    def _free(self) -> bool:
        if LOCK not in self._unique:
            return True
        # Only if it is as it was found.
        command = f"md {self._short(LOCK)} C{self._unique[LOCK]}"
        answer: bytes = self._node.raw_command(command)
        return answer.startswith(b"HD")

    def _keep_others(self) -> None:
        for name, cell in self.cells.changed.items():
            if name == GENERATION and cell is not None:
                self._keep_generation(cell)
            elif name != LOCK and cell is not None:
                self._node.set(self._short(name), cell.content, whole(cell.end))
            elif name != LOCK:
                self._node.delete(self._short(name))

    def _keep_generation(self, cell: Cell) -> None:
        """Write the generation, while other clients write theirs."""
        before = self._found.get(GENERATION)
        while not self._swap(GENERATION, cell):
            found = self._read([GENERATION]).get(GENERATION)
            if found is not None:
                cell = _merged(before, found, cell)

    def _swap(self, name: str, cell: Cell) -> bool:
        """Write a cell, if the server still has it as it was found."""
        short, expire = self._short(name), whole(cell.end)
        if name not in self._unique:
            return bool(self._node.add(short, cell.content, expire))
        return bool(self._node.cas(short, cell.content, self._unique[name], expire))

    def _short(self, name: str) -> str:
        return short_name(self._key, name, NAME_LENGTH)


def check_end(expire: float) -> None:
    """Raise an error for a lock that would end before its time."""
    if expire > LONGEST:
        raise ConfigurationError(
            f"a lock in memcached lasts {LONGEST} seconds at most, not {expire:.0f}: "
            "set a shorter time, or use another store"
        )


def check_length(record: Record) -> None:
    """Raise an error for a record that has no room."""
    if len(record.tail) > LONGEST_RECORD:
        raise ConfigurationError(
            f"the id of the task, its name and the worker's have {len(record.tail)} "
            f"letters in all; a lock in memcached has room for {LONGEST_RECORD}: use "
            "shorter ones, or another store"
        )


def whole(seconds: float) -> int:
    """Return whole seconds for memcached, so that a cell does not end early."""
    return math.ceil(min(seconds, LONGEST)) + _BEHIND


def _answers(text: bytes, count: int) -> list[tuple[Cell, str] | None]:
    """Return the cells in an answer, each with its unique number; None for no cell.

    Raises:
        MemcacheUnexpectedCloseError: if a part is missing. Of an answer in several
            packets, the client drops all but the last one.
    """
    lines = text.split(b"\r\n")
    found: list[tuple[Cell, str] | None] = []
    try:
        for _ in range(count):
            head, *flags = lines.pop(0).split()
            if head == b"EN":
                found.append(None)
                continue
            values = {flag[:1]: flag[1:] for flag in flags[1:]}
            content = lines.pop(0)
            if head != b"VA" or len(content) != int(flags[0]):
                raise ValueError(head)
            cell = Cell(content, _left(int(values[b"t"])))
            found.append((cell, values[b"c"].decode()))
        if lines != [b""]:
            raise ValueError(lines)
    except (ValueError, IndexError, KeyError):
        raise MemcacheUnexpectedCloseError from None
    return found


def _contents(cells: dict[str, Cell]) -> dict[str, bytes]:
    return {name: cell.content for name, cell in cells.items() if name != LOCK}


def _merged(before: Cell | None, found: Cell, own: Cell) -> Cell:
    """Merge what two clients have made of the generation `before`.

    The first of two replacements in turn may be written last, so the greater one
    counts. A client that gave a lock back has lowered the fence, so that of `before`
    does not count. A message that was notified stays notified.
    """
    was = _numbers(before)[0] if before else 0
    (mine, notified), (others, notified_by_others) = _numbers(own), _numbers(found)
    latest = max({mine, others} - {was}, default=was)
    text = f"{latest} {max(notified, notified_by_others)}"
    return Cell(text.encode(), max(own.end, found.end))


def _numbers(generation: Cell) -> tuple[int, int]:
    latest, notified = generation.content.split()
    return int(latest), int(notified)


def _left(seconds: int) -> float:
    """Return the seconds that a cell surely lasts, by those that memcached returns."""
    if seconds < 0:  # a person wrote it, without an end
        return math.inf
    return max(0.1, seconds - _BEHIND)
