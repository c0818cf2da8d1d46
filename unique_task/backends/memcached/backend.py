"""Locks in memcached."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import finalize

from pymemcache.client.base import PooledClient
from pymemcache.client.rendezvous import RendezvousHash
from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from ...exceptions import ConfigurationError
from ...forks import in_forks_of
from ..cells import Cells
from ..exercise import exercise
from ..promises import Promises
from ..record import Record
from ..steps import (
    Acquisition,
    Held,
    Renewal,
    Renewed,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)
from ..stepwise import Answer, StepwiseBackend, renew, renewed_names
from ..turns import CONNECTIONS, Turns
from .cells import LONGEST, LONGEST_RECORD, Change
from .url import Server, servers


class MemcachedBackend(StepwiseBackend):
    """Locks in memcached (1.6 or newer), on one server or spread over several.

    memcached has no clock to read, and forgets what it has no room for. So there are
    no fences, locks may vanish, times are whole seconds, and the clocks of the
    publishers count ``max_wait`` of the policy ``replace``.

    Arguments:
        url: ``memcached://host:11211``; several servers are separated by semicolons.
        timeout: seconds that one operation may take at most, reconnecting included.

    Raises:
        ConfigurationError: if the URL cannot be read.
    """

    driver_errors = (MemcacheError, OSError)

    promises = Promises(
        granularity=1,
        longest=LONGEST,
        fenced=False,
        one_step=False,
        restart="none",
        needs="unique_task[memcached]",
        warning="memcached forgets locks when it restarts or runs out of memory, and "
        "two tasks may then run at once: give it room, or use another store",
    )

    def __init__(self, url: str = "memcached://localhost", *, timeout: float = 2.0):
        self._servers = servers(url)
        self.timeout = timeout
        names = ";".join(map(_name, self._servers))
        self.name = f"memcached://{names}"
        self._turns = Turns(self.name, CONNECTIONS, timeout)
        self._nodes: dict[str, PooledClient] = {}
        self._down: set[str] = set()
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
        # Half to connect and half for the answer: a frozen server fails one of them.
        part = self.timeout / 2
        for server in self._servers:
            self._nodes[_name(server)] = PooledClient(
                server, connect_timeout=part, timeout=part, default_noreply=False
            )

    def check(self) -> None:
        exercise(self, "check")
        with self._operation():
            for node in self._nodes.values():
                node.version()

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        _check_length(wanted.record)
        # A message that has waited for long already may wait for as long as possible.
        if not wanted.take_over_from:
            _check(wanted.expire)
        return super()._acquire(wanted)

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        _check(wanted.expire)
        _check_length(wanted.record)
        return super()._reserve(wanted)

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        end = time.monotonic() + self.timeout
        down: dict[str, Exception] = {}
        # Locks on a node that was down get the time that the others leave.
        nodes = [self._hash.get_node(renewal.key) for renewal in renewals]
        order = sorted(
            range(len(nodes)), key=lambda number: nodes[number] in self._down
        )
        outcomes = {
            number: self._renew_until(end, nodes[number], renewals[number], down)
            for number in order
        }
        self._down = set(down)
        if down and set(outcomes.values()) == {Renewed.UNKNOWN}:
            raise next(iter(down.values()))
        return [outcomes[number] for number in range(len(renewals))]

    def _renew_until(
        self, end: float, node: str, renewal: Renewal, down: dict[str, Exception]
    ) -> Renewed:
        """Renew a lock; UNKNOWN if its node is in `down`, or has to be put there."""
        _check(renewal.expire)
        key, names = renewal.key, renewed_names(renewal)
        if node not in down:
            try:
                return self._change_until(
                    end, node, key, names, lambda cells: renew(cells, renewal)
                )
            except self.driver_errors as error:
                down[node] = error
        return Renewed.UNKNOWN

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        end = time.monotonic() + self.timeout
        return self._change_until(end, self._hash.get_node(key), key, names, step)

    def _change_until(
        self,
        end: float,
        node: str,
        key: str,
        names: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        while True:
            try:
                change = Change(self._nodes[node], key, names, end)
                answer = step(change.cells)
                if change.write():
                    return answer
            except (
                MemcacheUnexpectedCloseError,
                ConnectionResetError,
                BrokenPipeError,
            ):
                # The server has restarted. If only the answer was lost, the step finds
                # its own work done.
                if time.monotonic() > end:
                    raise


def _check(expire: float) -> None:
    if expire > LONGEST:
        raise ConfigurationError(
            f"a lock in memcached lasts {LONGEST} seconds at most, not {expire:.0f}: "
            "set a shorter time, or use another store"
        )


def _check_length(record: Record) -> None:
    if len(record.tail) > LONGEST_RECORD:
        raise ConfigurationError(
            f"the id of the task, its name and the worker's have {len(record.tail)} "
            f"letters in all; a lock in memcached has room for {LONGEST_RECORD}: use "
            "shorter ones, or another store"
        )


def _name(server: Server) -> str:
    return server if isinstance(server, str) else f"{server[0]}:{server[1]}"


def _close(nodes: dict[str, Any]) -> None:
    for node in nodes.values():
        node.close()
