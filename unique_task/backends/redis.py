"""Locks in Redis or Valkey."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..exceptions import ConfigurationError
from .base import (
    Acquired,
    Backend,
    Finished,
    Held,
    Renewal,
    Renewed,
    StoreAnswer,
    Stored,
)
from .record import VERSION, Record, attempt_of
from .redis_scripts import ACQUIRE, RELEASE, RENEW
from .redis_url import client_url, without_password

#: What keeps the client from telling the server its name; redis-py 7 renamed it.
_NAMELESS: dict[str, Any] = (
    {"driver_info": None}
    if find_spec("redis.driver_info")
    else {"lib_name": None, "lib_version": None}
)

_RENEWED = {0: Renewed.TAKEN, 1: Renewed.HELD, 2: Renewed.RETAKEN}


class RedisBackend(Backend):
    """Locks in Redis (6.2 or newer) or Valkey, timed by the server's clock.

    Arguments:
        url: ``redis://``, ``rediss://`` (TLS) or ``redis+socket://``, as for Celery.
        client: in place of `url`, a client of your own; it must not decode responses.
        timeout: seconds that one operation may take at most, reconnecting included.
    """

    driver_errors = (redis.RedisError, OSError)

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        client: redis.Redis | None = None,
        timeout: float = 2.0,
    ) -> None:
        self.name = without_password(url) if client is None else repr(client)
        self._client: Any = client or _connect(url, timeout)
        if self._client.connection_pool.connection_kwargs.get("decode_responses"):
            raise ConfigurationError(
                f"{self.name}: the client decodes responses, and stored values are "
                "bytes: pass one with decode_responses=False"
            )
        self._acquire_script = _Script(self._client, ACQUIRE)
        self._release_script = _Script(self._client, RELEASE)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> RedisBackend:
        return cls(url, timeout=timeout)

    def _acquire(
        self,
        key: str,
        record: Record,
        expire: float,
        stored: bool,
        once: float,
        over: Sequence[str],
    ) -> StoreAnswer:
        keys = [_lock(key)]
        if once:
            keys.append(_mark(key, record.token))
        if stored:
            keys.append(_value(key))
        times = _milliseconds(expire), _milliseconds(once) if once else 0
        answer, *told = self._acquire_script(
            keys, VERSION, record.tail, *times, int(stored), *over
        )
        if answer == 1:
            return Acquired(int(told[0]))
        if answer == 2:
            return Stored(told[0])
        if answer == 3:
            return Finished()
        held = _held(*told)
        again = held.record.token == record.token
        return Acquired(held.record.fence) if again else held

    def _release(
        self, key: str, token: str, value: bytes | None, fresh: float, finished: float
    ) -> bool:
        keys, args = [_lock(key)], [token, _milliseconds(finished) if finished else 0]
        if finished:
            keys.append(_mark(key, token))
        if value is not None:
            keys.append(_value(key))
            args += [value, _milliseconds(fresh)]
        return bool(self._release_script(keys, *args))

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        pipeline = self._client.pipeline(transaction=False)
        for renewal in renewals:
            record = renewal.record
            text = record.text(renewal.fence or 0)
            expire = _milliseconds(renewal.expire)
            keys, times = [_lock(renewal.key)], [expire]
            if renewal.once:
                keys.append(_mark(renewal.key, record.token))
                times.append(_milliseconds(renewal.once))
            pipeline.eval(RENEW, len(keys), *keys, record.token, text, *times)
        return [_RENEWED[answer] for answer in pipeline.execute()]

    def _get(self, key: str) -> Held | None:
        pipeline = self._client.pipeline(transaction=True)
        record, remaining = pipeline.get(_lock(key)).pttl(_lock(key)).execute()
        return None if record is None else _held(record, remaining)


class _Script:
    """A script that is sent by its digest, and as a whole where the server lost it."""

    def __init__(self, client: Any, text: str) -> None:
        self._client = client
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], *args: Any) -> Any:
        try:
            return self._client.evalsha(self._digest, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self._client.eval(self._text, len(keys), *keys, *args)


def _connect(url: str, timeout: float) -> redis.Redis:
    # A connection that the server closed is tried once more; a late answer is not
    # waited for again. Version 2 of the protocol and a client without a name spare the
    # answers to two more questions.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    try:
        client = redis.Redis.from_url(
            client_url(url), protocol=2, retry=retry, **_NAMELESS
        )
    except ValueError:
        # Without the cause, which may show a part of the password.
        raise ConfigurationError(
            f"the backend's URL {without_password(url)!r} cannot be read; in a "
            "password, / # ? and @ are written as %2F %23 %3F and %40"
        ) from None
    options = client.connection_pool.connection_kwargs
    # To connect, to log in, to choose the database, to be answered: each has its part.
    steps = 2 + bool(options.get("password")) + bool(options.get("db"))
    for name in ("socket_connect_timeout", "socket_timeout"):
        options.setdefault(name, timeout / steps)
    return client


def _held(text: bytes, milliseconds: int, admitted: int = 0) -> Held:
    # -1: somebody took the end off the key by hand.
    remaining = math.inf if milliseconds == -1 else max(milliseconds, 0) / 1000
    record = Record.parse(text.decode(errors="backslashreplace"))
    return Held(record, remaining, bool(admitted))


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


# The braces put all keys of one lock into one slot of a cluster.
def _lock(key: str) -> str:
    return f"unique:{{{key}}}"


def _value(key: str) -> str:
    return f"unique:{{{key}}}:value"


def _mark(key: str, token: str) -> str:
    return f"unique:{{{key}}}:attempt:{attempt_of(token)}"
