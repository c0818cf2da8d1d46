"""A client of one Redis server that keeps connections, and sends packed commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from inspect import Parameter, signature
from typing import Any, TypeVar

import redis

from ...forks import in_forks_of
from .connections import eval_all
from .scripts import Eval

Answer = TypeVar("Answer")

#: For redis-py before 5.3, whose pool asks for the name of a command.
_NAME = signature(redis.ConnectionPool.get_connection).parameters["command_name"]
_NAMED = ("EVALSHA",) if _NAME.default is Parameter.empty else ()


class DirectClient:
    """The part of a client that we use; most scripts go past redis-py's client.

    For each command, redis-py's client takes a connection out of its pool and puts it
    back, and does more than twice the work of the question itself. Here, a connection
    that has answered is kept, and the next script is sent over it at once. Scripts for
    several locks, and all that goes wrong, are redis-py's: a connection that the server
    has closed, a script that it does not have.

    A connection is in the pool, kept, or used by one operation. So there are no more
    than the pool allows, if no more operations than that run at once.

    Arguments:
        client: redis-py's; it must not try again on its own.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._pool: Any = client.connection_pool
        self._encoding: str = self._pool.get_encoder().encoding
        self._keep_none()
        in_forks_of(self._keep_none)

    def _keep_none(self) -> None:
        # The last one in is the first out, so that few are in use. A deque takes each
        # step at once: threads, greenlets and handlers of signals need no lock.
        self._kept = deque[Any]()

    def evalsha(self, *args: Any) -> Any:
        command = pack(("EVALSHA", *args), self._encoding)
        try:
            return self._answer_to(command)
        except redis.ConnectionError:
            return self._through_pool(lambda: self._client.evalsha(*args))

    def eval(self, *args: Any) -> Any:
        return self._twice_through_pool(lambda: self._client.eval(*args))

    def eval_all(self, evals: Sequence[Eval]) -> list[Any]:
        return self._twice_through_pool(lambda: eval_all(self._client, evals))

    def ask(self, question: Callable[[Any], list[str]]) -> list[str]:
        return self._twice_through_pool(lambda: question(self._client))

    def _answer_to(self, command: bytes) -> Any:
        kept = self._kept  # a fork has another one
        connection = self._one_of(kept)
        try:
            if connection.can_read():
                raise redis.ConnectionError("there is more to read than was asked for")
            connection.send_packed_command((command,))
            answer = connection.read_response()
        except redis.ResponseError:
            kept.append(connection)
            raise
        except BaseException:
            # Whatever it was: the answer may yet come, and not be for the next command.
            connection.disconnect()
            self._pool.release(connection)
            raise
        kept.append(connection)
        return answer

    def _one_of(self, kept: deque[Any]) -> Any:
        try:
            return kept.pop()
        except IndexError:
            return self._pool.get_connection(*_NAMED)

    def _twice_through_pool(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return self._through_pool(ask)
        except redis.ConnectionError:
            return self._through_pool(ask)

    def _through_pool(self, ask: Callable[[], Answer]) -> Answer:
        """Let redis-py ask, with all connections that nobody uses in its pool."""
        with suppress(IndexError):
            while True:
                self._pool.release(self._kept.pop())
        return ask()


def pack(words: Iterable[Any], encoding: str) -> bytes:
    """Return a command as it is sent.

    >>> pack(("SET", "key", 1, b"2"), "utf-8")
    b'*4\\r\\n$3\\r\\nSET\\r\\n$3\\r\\nkey\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2\\r\\n'
    """
    lines = []
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode(encoding)
        lines += [b"$%d" % len(data), data]
    return b"\r\n".join([b"*%d" % (len(lines) // 2), *lines, b""])
