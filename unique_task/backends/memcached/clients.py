"""Keeps a process's connections to a server open from one operation to the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from pymemcache.client.base import Client

from .url import Server

Result = TypeVar("Result")


class Clients:
    """Lends a client, which is one connection, to each operation that is under way.

    pymemcache's own pool takes as long to lend one as the server to answer, and lends
    it for a single command.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        self._server = server
        # Half to connect and half for the answer: a frozen server fails one of them.
        self._part = timeout / 2
        # Its methods are single steps: threads and signal handlers may call them.
        self._idle: list[Client] = []

    def lend(self, work: Callable[[Client], Result]) -> Result:
        """Do `work` with a client; close it after an error, as an answer may follow."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._new()
        try:
            result = work(client)
        except BaseException:
            client.close()
            raise
        self._idle.append(client)
        return result

    def _new(self) -> Client:
        return Client(
            self._server,
            connect_timeout=self._part,
            timeout=self._part,
            default_noreply=False,
        )

    def close(self) -> None:
        """Close all connections that are not lent."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()
