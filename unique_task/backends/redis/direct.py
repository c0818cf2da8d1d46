"""A client of one Redis server that keeps connections, and sends packed commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from inspect import Parameter, signature
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from ...forks import in_forks_of
from .connections import eval_all, note_lost_answer
from .line import Line
from .script import Eval

Answer = TypeVar("Answer")

#: For redis-py before 5.3, whose pool asks for the name of a command.
_NAME = signature(redis.ConnectionPool.get_connection).parameters["command_name"]
_NAMED = ("EVALSHA",) if _NAME.default is Parameter.empty else ()


class DirectClient:
    """The part of a client that we use; most scripts go past redis-py's client.

    For each command, redis-py's client takes a connection out of its pool and puts it
    back, and does more than twice the work of the question itself. Here, a connection
    that has answered is kept, and the next script is sent over it at once, or all the
    scripts that renew a batch of locks. What goes wrong is redis-py's: a connection
    that the server has closed, a script that it does not have.

    A connection is in the pool, kept, or used by one operation. So there are no more
    than the pool allows, if no more operations than that run at once.

    Arguments:
        client: redis-py's, with a pool of its own.
    """

    def __init__(self, client: redis.Redis) -> None:
        client.set_retry(Retry(NoBackoff(), 0))  # we ask twice ourselves
        self._client = client
        self._pool: Any = client.connection_pool
        self._keep_none()
        in_forks_of(self._keep_none)

    def _keep_none(self) -> None:
        # The last one in is the first out, so that few are in use. A deque takes each
        # step at once: threads, greenlets and handlers of signals need no lock.
        self._kept = deque[Line]()

    def evalsha(self, digest: str, keys: int, *words: Any) -> Any:
        command = pack(digest, keys, words)
        try:
            return self._answer_to(command)
        except NoScriptError:
            raise
        except redis.ResponseError:
            note_lost_answer()  # a script that fails may have done some of its work
            raise
        except redis.ConnectionError:
            again = partial(self._client.evalsha, digest, keys, *words)
            return self._through_pool(again)

    def eval(self, *args: Any) -> Any:
        return self._twice_through_pool(lambda: self._client.eval(*args))

    def eval_all(self, evals: Sequence[Eval]) -> list[Any]:
        try:
            answers = self._answers_to(evals)
        except redis.ConnectionError:
            return self._eval_all_through_pool(evals)
        failed = [n for n, a in enumerate(answers) if isinstance(a, Exception)]
        if failed:
            # The others are done, and would be answered otherwise the second time.
            again = self._eval_all_through_pool([evals[number] for number in failed])
            for number, answer in zip(failed, again):
                answers[number] = answer
        return answers

    def _answers_to(self, evals: Sequence[Eval]) -> list[Any]:
        commands = [
            pack(script.digest, len(keys), (*keys, *args))
            for script, keys, args in evals
        ]
        answers: list[Any] = self._answer_to(b"".join(commands), len(commands))
        return answers

    def _eval_all_through_pool(self, evals: Sequence[Eval]) -> list[Any]:
        return self._twice_through_pool(lambda: eval_all(self._client, evals))

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        return self._twice_through_pool(lambda: question(self._client))

    def _answer_to(self, command: bytes, many: int = 0) -> Any:
        kept = self._kept  # a fork has another one
        line = self._one_of(kept)
        try:
            answer = line.ask(command, many)
        except redis.ResponseError:
            kept.append(line)
            raise
        except BaseException:
            # Whatever it was: the answer may yet come, and not be for the next command.
            line.connection.disconnect()
            self._pool.release(line.connection)
            raise
        kept.append(line)
        return answer

    def _one_of(self, kept: deque[Line]) -> Line:
        try:
            return kept.pop()
        except IndexError:
            return Line(self._pool.get_connection(*_NAMED))

    def _twice_through_pool(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return self._through_pool(ask)
        except redis.ConnectionError:
            return self._through_pool(ask)

    def _through_pool(self, ask: Callable[[], Answer]) -> Answer:
        """Let redis-py ask, with all connections that nobody uses in its pool."""
        with suppress(IndexError):
            while True:
                self._pool.release(self._kept.pop().connection)
        return ask()


def pack(digest: str, keys: int, words: Sequence[Any]) -> bytes:
    """Return the command EVALSHA as it is sent.

    Arguments:
        keys: how many of `words` are keys; the others are arguments.
    """
    # One text, encoded at once; most words are ASCII.
    command = _head(digest, keys, len(words))
    for word in words:
        if isinstance(word, bytes):
            return _pack_bytes(digest, keys, words)
        text = str(word)
        command += f"${len(text)}\r\n{text}\r\n"
    # A length counts bytes.
    return command.encode() if command.isascii() else _pack_bytes(digest, keys, words)


def _pack_bytes(digest: str, keys: int, words: Sequence[Any]) -> bytes:
    """Do the same word by word, where one is bytes, or has more bytes than letters."""
    parts = [_head(digest, keys, len(words)).encode()]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


@lru_cache(maxsize=64)
def _head(digest: str, keys: int, words: int) -> str:
    """Return what is the same for all calls of a script with so many words."""
    name = f"$7\r\nEVALSHA\r\n${len(digest)}\r\n{digest}\r\n"
    return f"*{3 + words}\r\n{name}${len(str(keys))}\r\n{keys}\r\n"
