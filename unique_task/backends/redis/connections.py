"""Connections that wait for a Redis server no longer than an operation may take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any, TypeVar

import redis
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError
from redis.sentinel import MasterNotFoundError, SentinelManagedConnection

from .errors import without_sentinels
from .script import Eval

Answer = TypeVar("Answer")

#: Parts of an operation's time; one server may use one of them to answer.
PARTS = 4

#: Seconds for a step after the deadline: it fails as the client expects it.
_AT_ONCE = 0.001

#: Of the operation of this thread: its `end`, and whether an answer was `lost`.
_operation = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the connections below so many seconds for all that a block asks."""
    _operation.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _operation.end = None


def time_is_over() -> bool:
    """Whether the operation has reached its deadline."""
    return bool(time.monotonic() >= _operation.end)


def expect_answer() -> None:
    """Forget the answers that this thread has lost."""
    _operation.lost = False


def answer_was_lost() -> bool:
    """Whether a connection of this thread broke since, while it waited for an answer.

    The server may have run the command all the same. What the client finds when it
    sends the command again may be the work of the first one.
    """
    return bool(_operation.lost)


def note_lost_answer() -> None:
    """Remember it for the operation of this thread."""
    _operation.lost = True


class _Noting:
    """Notes that the connection broke before an answer came; is never half open."""

    def connect(self: Any) -> Any:
        try:
            return super().connect()  # type: ignore[misc]
        except BaseException:
            # If a time limit breaks off what is said first, redis-py keeps the socket.
            self.disconnect()
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            note_lost_answer()
            raise


def _is_of_replica(error: ResponseError) -> bool:
    # Redis 6 quotes the error when a script wants to write.
    return isinstance(error, ReadOnlyError) or "-READONLY" in str(error)


class _OfAddress(_Noting):
    """Breaks if its server is a replica, as the master may have the address by now."""

    def read_response(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if not _is_of_replica(error):
                raise
            self.disconnect()
            raise redis.ConnectionError(str(error)) from error


class _Timed(_Noting):
    """Waits as long as one step may take, but not past the operation's deadline."""

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
    """Asks the Sentinels again when its server is no longer the master."""

    def send_packed_command(self: Any, *args: Any, **options: Any) -> Any:
        # Otherwise redis-py 8 connects to the old address, without the Sentinels.
        if not self._sock:
            self.connect()
        return super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            if _is_of_replica(error):
                raise ReadOnlyError(str(error)) from error
            raise


class _MasterTCP(SentinelManagedConnection, _OfMaster, _TimedTCP):
    pass


class _MasterTLS(SentinelManagedConnection, _OfMaster, _TimedTLS):
    pass


@lru_cache(maxsize=64)
def noting(kind: type) -> type:
    """Return a class like `kind` that notes lost answers, and leaves a replica."""
    if issubclass(kind, _Noting):
        return kind
    return type(kind.__name__, (_OfAddress, kind), {})


def timed(kind: type) -> type:
    """Return the connection class that keeps the deadline."""
    return _TimedTLS if issubclass(kind, redis.SSLConnection) else _TimedTCP


def of_master(kind: type) -> type:
    """Return the connection class that also follows the master."""
    return _MasterTLS if issubclass(kind, redis.SSLConnection) else _MasterTCP


def eval_all(client: Any, evals: Sequence[Eval]) -> list[Any]:
    """Send all scripts at once; return the answers, where an error is one, too.

    Those that the server does not have are sent again, whole.
    """
    pipeline = client.pipeline(transaction=False)
    for script, keys, args in evals:
        pipeline.evalsha(script.digest, len(keys), *keys, *args)
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    missing = [n for n, a in enumerate(answers) if isinstance(a, NoScriptError)]
    for script, keys, args in (evals[number] for number in missing):
        pipeline.eval(script.text, len(keys), *keys, *args)
    if missing:
        whole = pipeline.execute(raise_on_error=False)
        answers = [whole.pop(0) if n in missing else a for n, a in enumerate(answers)]
    return answers


class PlainClient:
    """The part of a client that we use; its own options limit each operation."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def evalsha(self, *args: Any) -> Any:
        with self._operation():
            return self.client.evalsha(*args)

    def eval(self, *args: Any) -> Any:
        with self._operation():
            return self.client.eval(*args)

    def eval_all(self, evals: Sequence[Eval]) -> list[Any]:
        with self._operation():
            return eval_all(self.client, evals)

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        with self._operation():
            return question(self.client)

    def _operation(self) -> AbstractContextManager[None]:
        return nullcontext()


class TimedClient(PlainClient):
    """The same for a client whose operations have a deadline, which each one keeps."""

    def __init__(self, client: Any, timeout: float) -> None:
        super().__init__(client)
        self._timeout = timeout

    @contextmanager
    def _operation(self) -> Iterator[None]:
        try:
            with within(self._timeout):
                yield
        except MasterNotFoundError as error:
            raise without_sentinels(error) from None
