"""Locks in memcached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import finalize

from pymemcache.client.base import PooledClient
from pymemcache.client.rendezvous import RendezvousHash
from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from ..exceptions import ConfigurationError
from ..forks import in_forks_of
from .cells import GENERATION, LOCK, VALUE, Cell, Cells, short_name
from .memcached_url import Server, servers
from .promises import Promises
from .stepwise import Answer, StepwiseBackend

#: Longest name that the server allows.
_NAME_LENGTH = 250

#: Seconds; a longer time would be taken for a date.
LONGEST = 30 * 86400


class MemcachedBackend(StepwiseBackend):
    """Locks in memcached (1.6 or newer), on one server or spread over several.

    memcached has no clock to read, and forgets what it has no room for. So there are
    no fences, locks may vanish, times are whole seconds, and ``max_wait`` of the policy
    ``replace`` is counted by the clocks of those who publish.

    Arguments:
        url: ``memcached://host:11211``; several servers are separated by semicolons.
        timeout: seconds that one operation may take at most, reconnecting included.

    Raises:
        ConfigurationError: if the URL makes no sense.
    """

    driver_errors = (MemcacheError, OSError)

    promises = Promises(
        granularity=1,
        fenced=False,
        one_step=False,
        restart="none",
        needs="unique_task[memcached]",
        warning="memcached forgets locks when it restarts or runs out of memory, and "
        "two tasks may then run at once: give it room, or use another store",
    )

    def __init__(self, url: str = "memcached://localhost", *, timeout: float = 2.0):
        self._servers = servers(url)
        self._timeout = timeout
        names = ";".join(map(_name, self._servers))
        self.name = f"memcached://{names}"
        self._nodes: dict[str, PooledClient] = {}
        self._connect()
        # All cells of a key are on one server.
        self._hash = RendezvousHash(list(self._nodes))
        in_forks_of(self._connect)
        finalize(self, _close, self._nodes)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> MemcachedBackend:
        return cls(url, timeout=timeout)

    def _identity(self) -> str:
        return f"memcached:{sorted(self._nodes)}"

    def _connect(self) -> None:
        # To connect and to be answered: a server that is frozen fails one of them.
        part = self._timeout / 2
        for server in self._servers:
            self._nodes[_name(server)] = PooledClient(
                server, connect_timeout=part, timeout=part, default_noreply=False
            )

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        end = time.monotonic() + self._timeout
        node = self._nodes[self._hash.get_node(key)]
        while True:
            try:
                change = _Change(node, key, names)
                answer = step(change.cells)
                if change.write():
                    return answer
            except (
                MemcacheUnexpectedCloseError,
                ConnectionResetError,
                BrokenPipeError,
            ):
                # The server was started anew since. To ask again is no harm where only
                # the answer was lost.
                if time.monotonic() > end:
                    raise
            if time.monotonic() > end:
                raise TimeoutError(f"others change {key} all the time")


class _Change:
    """The cells of a key as they are found, and the way back for what changes."""

    def __init__(self, node: PooledClient, key: str, names: Sequence[str]) -> None:
        self._node = node
        self._key = key
        self._unique: dict[str, str] = {}
        found = self._read([name for name in names if name != VALUE])
        if VALUE in names and (value := node.get(self._short(VALUE))) is not None:
            found[VALUE] = Cell(value, math.inf)
        # By the client's clock: it tells messages apart that replace each other, and
        # is no fence for anybody else.
        self.cells = Cells(found, now=0, fence=time.time_ns() // 1000)

    def _read(self, names: Sequence[str]) -> dict[str, Cell]:
        """Read lines of text with their ends, which the plain commands do not tell."""
        asked = [f"mg {self._short(name)} v t c" for name in names]
        # One more marks the end of the answers, of which each has one line or two.
        answer = self._node.raw_command("\r\n".join([*asked, "mn"]), "MN\r\n")
        lines = iter(answer.split(b"\r\n"))
        found = {}
        for name, head in zip(names, lines):
            if head.startswith(b"VA "):
                flags = {flag[:1]: flag[1:] for flag in head.split()[2:]}
                found[name] = Cell(next(lines), _left(int(flags[b"t"])))
                self._unique[name] = flags[b"c"].decode()
            else:
                self._unique.pop(name, None)
        return found

    def write(self) -> bool:
        """Keep what has changed; False if another one was faster.

        What an attempt leaves behind must be there before its lock is free, and what
        it is given only when the lock is its own.
        """
        changed = self.cells.changed
        if LOCK in changed and changed[LOCK] is None:
            try:
                self._keep_others()
            finally:
                # A value may be too big; that is no reason to keep the lock.
                freed = self._free()
            return freed
        lock = changed.get(LOCK)
        if lock is not None and not self._swap(LOCK, lock):
            return False
        self._keep_others()
        return True

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

    def _keep_generation(self, cell: Cell) -> None:
        # Of two that replaced the same message, in turn, the first may come here last.
        while not self._swap(GENERATION, cell):
            found = self._read([GENERATION]).get(GENERATION)
            if found is not None and _number(found) >= _number(cell):
                return

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
    if seconds > LONGEST:
        raise ConfigurationError(
            f"memcached keeps nothing for {seconds:.0f} seconds: {LONGEST} is the most"
        )
    # Its clock is behind by up to one.
    return math.ceil(seconds) + 1


def _number(generation: Cell) -> int:
    return int(generation.content.split()[0])


def _left(seconds: int) -> float:
    """Return for how long at least something stays that memcached gives so long."""
    if seconds < 0:  # it was kept by hand, for ever
        return math.inf
    return max(0.1, seconds - 1)


def _name(server: Server) -> str:
    return server if isinstance(server, str) else f"{server[0]}:{server[1]}"


def _close(nodes: dict[str, Any]) -> None:
    for node in nodes.values():
        node.close()
