"""Locks in memcached."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import finalize

from pymemcache.client.base import Client
from pymemcache.client.rendezvous import RendezvousHash
from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from ...forks import in_forks_of
from ..cells import LOCK, Cells
from ..exercise import exercise
from ..lock_steps import acquire, releasing, reserve
from ..operation import in_turn
from ..promises import Promises
from ..renew_steps import renew, renewed_names, retake, retaken_names
from ..steps import (
    Acquired,
    Acquisition,
    Held,
    Release,
    Renewal,
    RenewAnswer,
    Renewed,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)
from ..stepwise import Answer, StepwiseBackend
from ..turns import CONNECTIONS, Turns
from . import direct
from .cells import LONGEST, Change, check_end, check_length
from .clients import Clients
from .url import Server, servers

Wanted = TypeVar("Wanted", Acquisition, Reservation)

#: Errors of a connection that the server has closed.
_CLOSED = (MemcacheUnexpectedCloseError, ConnectionResetError, BrokenPipeError)


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
        self._nodes: dict[str, Clients] = {}
        self._down: set[str] = set()
        self._connect()
        self._hash = RendezvousHash(list(self._nodes))
        in_forks_of(self._connect)
        finalize(self, _close, self._nodes)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> MemcachedBackend:
        return cls(url, timeout=timeout)

    def _identity(self) -> str:
        return f"memcached:{sorted(self._nodes)}"

    def _connect(self) -> None:
        for server in self._servers:
            self._nodes[_name(server)] = Clients(server, self.timeout)

    def check(self) -> None:
        exercise(self, "check")
        for node in self._nodes.values():
            in_turn(self, node.lend, Client.version)

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        check_length(wanted.record)
        # A message that has waited for long already may wait for as long as possible.
        if not wanted.take_over_from:
            check_end(wanted.expire)
        if wanted.plain and wanted.expire and not wanted.take_over_from:
            return self._take(wanted, Acquired, acquire)
        return super()._acquire(wanted)

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        check_end(wanted.expire)
        check_length(wanted.record)
        if wanted.plain:
            return self._take(wanted, Reserved, reserve)
        return super()._reserve(wanted)

    def _take(
        self,
        wanted: Wanted,
        taken: Callable[[int], Answer],
        step: Callable[[Cells, Wanted], Answer],
    ) -> Answer:
        """Take a lock that has no other cells and is most likely free, by one trip.

        Otherwise, or if the answer is lost, let `step` take it.
        """
        key, node = wanted.key, self._node_of(wanted.key)
        end = time.monotonic() + self.timeout
        try:
            fence = self._nodes[node].lend(lambda one: direct.take(one, wanted))
            if fence is not None:
                return taken(fence)
        except _CLOSED:
            pass
        return self._change_until(
            end, node, key, [LOCK], lambda cells: step(cells, wanted)
        )

    def _release(self, left: Release) -> bool:
        if not left.plain:
            return super()._release(left)
        end, node = time.monotonic() + self.timeout, self._node_of(left.key)
        tries: list[bool] = []
        try:
            done = self._nodes[node].lend(lambda one: direct.release(one, left, tries))
            if done is not None:
                return done
        except _CLOSED:
            pass
        return self._change_until(end, node, left.key, [LOCK], releasing(left, tries))

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        end = time.monotonic() + self.timeout
        down: dict[str, Exception] = {}
        # Locks on a node that was down get the time that the others leave.
        nodes = [self._node_of(renewal.key) for renewal in renewals]
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
    ) -> RenewAnswer:
        """Renew a lock; UNKNOWN if its node is in `down`, or has to be put there."""
        check_end(renewal.expire)
        if node not in down:
            try:
                return self._renew_on(node, end, renewal)
            except self.driver_errors as error:
                down[node] = error
        return Renewed.UNKNOWN

    def _renew_on(self, node: str, end: float, renewal: Renewal) -> RenewAnswer:
        key, change = renewal.key, self._change_until
        names, more = renewed_names(renewal), retaken_names(renewal)
        held = change(end, node, key, names, lambda cells: renew(cells, renewal))
        return held or change(
            end, node, key, more, lambda cells: retake(cells, renewal)
        )

    def _node_of(self, key: str) -> str:
        """Return the name of the server that has all cells of `key`."""
        if len(self._nodes) == 1:
            return next(iter(self._nodes))  # its hash would take as long as the answer
        name: str = self._hash.get_node(key)
        return name

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        end = time.monotonic() + self.timeout
        return self._change_until(end, self._node_of(key), key, names, step)

    def _change_until(
        self,
        end: float,
        node: str,
        key: str,
        names: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        def change(client: Client) -> tuple[bool, Answer]:
            change = Change(client, key, names, end)
            answer = step(change.cells)
            return change.write(), answer

        while True:
            try:
                is_written, answer = self._nodes[node].lend(change)
                if is_written:
                    return answer
            except _CLOSED:
                # The server has restarted. If only the answer was lost, the step finds
                # its own work done.
                if time.monotonic() > end:
                    raise


def _name(server: Server) -> str:
    return server if isinstance(server, str) else f"{server[0]}:{server[1]}"


def _close(nodes: dict[str, Clients]) -> None:
    for node in nodes.values():
        node.close()
