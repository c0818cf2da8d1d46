"""A connection to a Redis server, over which we ask one question at a time."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import redis


class Line:
    """A connection of redis-py, over which nobody else asks.

    Arguments:
        connection: to the server; connected, and with no answer under way.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._has_more = _look_at(connection)

    def ask(self, command: bytes, many: int = 0) -> Any:
        """Return the answer to a packed command.

        Arguments:
            many: how many commands these are, if there are several. Then the answer is
                a list, where an error is an answer, too.

        Raises:
            redis.ResponseError: if the server refuses; the answer is read.
            redis.RedisError: else; the connection can be used no more.
        """
        if self._has_more():
            raise redis.ConnectionError("closed, or more to read than was asked for")
        self.connection.send_packed_command((command,), check_health=False)
        if many:
            return [self._answer_or_error() for _ in range(many)]
        return self.connection.read_response()

    def _answer_or_error(self) -> Any:
        try:
            return self.connection.read_response()
        except redis.ResponseError as error:
            return error


def _look_at(connection: Any) -> Callable[[], Any]:
    """Return what tells whether there is something to read, or the server has closed.

    redis-py tries to read, which takes as long as all the rest of a question: it sets
    the time limit of the socket twice, and catches an exception. So we look at the
    socket, and at what redis-py has read of it, where these are as we know them.
    """
    has_unread = _has_unread(getattr(connection, "_parser", None))
    # No `poll` on Windows, nor with eventlet. What TLS has read shows in no socket.
    if has_unread is None or not hasattr(select, "poll"):
        return connection.can_read  # type: ignore[no-any-return]
    if isinstance(connection, redis.SSLConnection):
        return connection.can_read
    poll = select.poll()
    poll.register(connection._sock, select.POLLIN)
    return lambda: has_unread() or poll.poll(0)


def _has_unread(parser: Any) -> Callable[[], Any] | None:
    """Return what tells whether a parser has read more than the answers so far."""
    python = getattr(getattr(parser, "_buffer", None), "unread_bytes", None)
    return python or getattr(getattr(parser, "_reader", None), "has_data", None)
