"""A connection to a Redis server, over which we ask one question at a time."""

from __future__ import annotations

import select
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import redis
from redis.exceptions import NoScriptError

from .connections import note_lost_answer

#: Bytes to read at once.
_SIZE = 65536

_END = b"\r\n"


class Line:
    """A connection that redis-py has opened; questions and answers pass redis-py by.

    Arguments:
        connection: to the server; connected, and with no answer under way.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._socket = connection._sock  # it has no public name
        self._has_more: Callable[[], Any] = connection.can_read
        if hasattr(select, "poll"):  # not on Windows, nor with eventlet
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            self._has_more = partial(poll.poll, 0)

    def ask(self, command: bytes, many: int = 0) -> Any:
        """Return the answer to a packed command.

        Arguments:
            many: how many commands these are, if there are several. Then the answer is
                a list, where an error is an answer, too.

        Raises:
            redis.ResponseError: if the server refuses; the answer is read.
            redis.TimeoutError: if the answer is late.
            redis.ConnectionError: if the connection is broken, or this is no answer.
        """
        if self._has_more():
            raise redis.ConnectionError("closed, or more to read than was asked for")
        try:
            self._socket.sendall(command)
            answer = self._answer(b"*%d\r\n" % many if many else b"")
        except TimeoutError as error:
            note_lost_answer()
            raise redis.TimeoutError(f"no answer in time: {error}") from error
        except (OSError, ValueError) as error:
            note_lost_answer()
            raise redis.ConnectionError(f"no answer: {error}") from error
        if isinstance(answer, redis.ResponseError):
            if not isinstance(answer, NoScriptError):
                note_lost_answer()  # a script that fails may have done some of its work
            raise answer
        return answer

    def _answer(self, head: bytes) -> Any:
        # The answers to several commands are read as one array, whose head is ours.
        data = head + self._received(1)
        while True:
            stream = BytesIO(data)
            try:
                answer = read_answer(stream)
                break
            except Incomplete as part:
                data += self._received(part.missing)
        if stream.tell() != len(data):
            raise ValueError("the server has answered more than it was asked")
        return answer

    def _received(self, count: int) -> bytes:
        """Return at least `count` bytes."""
        parts = []
        while count > 0:
            part = self._socket.recv(_SIZE)
            if not part:
                raise OSError("the server has closed the connection")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


class Incomplete(Exception):
    """The answer goes on; `missing` is the least number of bytes that it lacks."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing


def read_answer(stream: BytesIO) -> Any:
    """Read an answer of one of our scripts, in any version of the protocol.

    >>> read_answer(BytesIO(b"*3\r\n:1\r\n$2\r\nab\r\n$-1\r\n"))
    [1, b'ab', None]

    Raises:
        Incomplete: if the answer goes on behind the stream.
        ValueError: if it is of another kind.
    """
    line = stream.readline()
    if not line.endswith(_END):
        raise Incomplete(1)
    kind, rest = line[:1], line[1:-2]
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return _read_text(stream, int(rest))
    if kind == b"*":
        return [read_answer(stream) for _ in range(int(rest))]
    if kind == b"_":
        return None
    if kind == b"-":
        return _error(rest.decode(errors="replace"))
    raise ValueError(f"an answer of an unknown kind: {line!r}")


def _read_text(stream: BytesIO, size: int) -> bytes | None:
    if size < 0:
        return None
    text = stream.read(size + len(_END))
    if len(text) < size + len(_END):
        raise Incomplete(size + len(_END) - len(text))
    return text[:size]


def _error(text: str) -> redis.ResponseError:
    kind = NoScriptError if text.startswith("NOSCRIPT ") else redis.ResponseError
    return kind(text)
