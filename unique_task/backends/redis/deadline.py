"""Clients and connections that end with the operation they are for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import ReadOnlyError, ResponseError
from redis.sentinel import MasterNotFoundError, SentinelManagedConnection

from .answers import Noting
from .errors import without_sentinels
from .scripts import Eval, eval_all

#: Parts of an operation's time that one server may keep it waiting.
PARTS = 4

#: Seconds for a step when the time is over: the client's own way out of it.
_AT_ONCE = 0.001

_operation = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what the connections below do in so many seconds, all of them together."""
    _operation.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _operation.end = None


def time_is_over() -> bool:
    """Whether the operation has had all its time."""
    return bool(time.monotonic() >= _operation.end)


class _Timed(Noting):
    """Waits for as long as it may for one step, but no longer than the operation."""

    _longest: float | None = None

    def _connect(self) -> Any:
        self._hurry()
        return super()._connect()  # type: ignore[misc]

    def send_packed_command(self, *args: Any, **options: Any) -> Any:
        self._hurry()
        return super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        self._hurry()
        return super().read_response(*args, **options)

    def _hurry(self: Any) -> None:
        end = getattr(_operation, "end", None)
        if end is None:
            return
        if self._longest is None:
            self._longest = self.socket_timeout
        left = min(self._longest, max(_AT_ONCE, end - time.monotonic()))
        self.socket_timeout = self.socket_connect_timeout = left
        if self._sock:
            self._sock.settimeout(left)


class _TimedTCP(_Timed, redis.Connection):
    pass


class _TimedTLS(_Timed, redis.SSLConnection):
    pass


class _OfMaster:
    """Finds its way from a master that is one no more."""

    def send_packed_command(self: Any, *args: Any, **options: Any) -> Any:
        # Else redis-py 8 goes back to where it was, and does not ask the Sentinels.
        if not self._sock:
            self.connect()
        return super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            # How Redis 6 says so when it is a script that wants to write.
            if "-READONLY" in str(error):
                raise ReadOnlyError(str(error)) from error
            raise


class _MasterTCP(SentinelManagedConnection, _OfMaster, _TimedTCP):
    pass


class _MasterTLS(SentinelManagedConnection, _OfMaster, _TimedTLS):
    pass


def timed(kind: type) -> type:
    """Return the kind of connection that ends in time."""
    return _TimedTLS if issubclass(kind, redis.SSLConnection) else _TimedTCP


def of_master(kind: type) -> type:
    """Return that to whatever server is the master."""
    return _MasterTLS if issubclass(kind, redis.SSLConnection) else _MasterTCP


class TimedClient:
    """The part of a client that the scripts use, each operation bounded in time."""

    def __init__(self, client: Any, timeout: float) -> None:
        self.client = client
        self._timeout = timeout

    def evalsha(self, *args: Any) -> Any:
        with self._operation():
            return self.client.evalsha(*args)

    def eval(self, *args: Any) -> Any:
        with self._operation():
            return self.client.eval(*args)

    def eval_all(self, evals: Sequence[Eval]) -> list[Any]:
        with self._operation():
            return eval_all(self.client, evals)

    def ask(self, question: Callable[[Any], list[str]]) -> list[str]:
        with self._operation():
            return question(self.client)

    @contextmanager
    def _operation(self) -> Iterator[None]:
        try:
            with within(self._timeout):
                yield
        except MasterNotFoundError as error:
            raise without_sentinels(error) from None
