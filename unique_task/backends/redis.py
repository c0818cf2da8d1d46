"""Locks in Redis or Valkey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..exceptions import ConfigurationError
from .base import Backend
from .record import VERSION, Record, attempt_of
from .redis_scripts import ACQUIRE, RELEASE, RENEW, RESERVE, RESTORE, Script
from .redis_url import client_url, without_password
from .steps import (
    Acquired,
    Booking,
    Claim,
    Finished,
    Heir,
    Held,
    Renewal,
    Renewed,
    Replaced,
    Reserved,
    StoreAnswer,
    Stored,
)

#: What keeps the client from telling the server its name; redis-py 7 renamed it.
_NAMELESS: dict[str, Any] = (
    {"driver_info": None}
    if find_spec("redis.driver_info")
    else {"lib_name": None, "lib_version": None}
)

#: Seconds that are longer than any lock stands; as microseconds exact in a script.
_EVER = 2**32

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
        self._acquire_script = Script(self._client, ACQUIRE)
        self._reserve_script = Script(self._client, RESERVE)
        self._restore_script = Script(self._client, RESTORE)
        self._release_script = Script(self._client, RELEASE)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> RedisBackend:
        return cls(url, timeout=timeout)

    def _identity(self) -> str:
        options = self._client.connection_pool.connection_kwargs
        host, port = options.get("host", "localhost"), options.get("port", 6379)
        where = options.get("path") or f"{host}:{port}"
        return f"{where}/{options.get('db') or 0}"

    def _acquire(self, claim: Claim) -> StoreAnswer:
        expire = _milliseconds(claim.expire) if claim.expire else 0
        once = _milliseconds(claim.once) if claim.once else 0
        more = once, claim.generation or 0, int(claim.stored), *claim.over
        answer, *told = self._acquire_script(
            _keys(claim),
            VERSION,
            claim.record.tail,
            f"keep{expire}" if claim.keep else expire,
            *(more if any(more) else ()),
        )
        if answer == 1:
            return Acquired(int(told[0]), bool(told[1]))
        if answer == 2:
            return Stored(told[0])
        if answer == 3:
            return Finished()
        if answer == 4:
            return Replaced(_record(told[0]).owner if told[0] else None)
        held = _held(*told)
        again = held.record.token == claim.record.token
        return Acquired(held.record.fence) if again else held

    def _reserve(self, booking: Booking) -> Reserved | Held | Stored:
        keys, more, replace = [_lock(booking.key)], [], booking.replace
        if booking.replaceable or replace is not None:
            back = -1 if replace is None else round(min(replace, _EVER) * 1e6)
            keys.append(_generation(booking.key))
            more = [int(booking.replaceable), back, _milliseconds(booking.remember)]
        if booking.stored:
            keys.append(_value(booking.key))
        expire = _milliseconds(booking.expire)
        answer, *told = self._reserve_script(
            keys, VERSION, booking.record.tail, expire, *more
        )
        if answer == 0:
            return _held(*told)
        if answer == 2:
            return Stored(told[0])
        fence, first, *replaced = told
        since = (int(fence) - int(first)) / 1e6
        return Reserved(int(fence), since, _held(*replaced) if replaced else None)

    def _restore(self, key: str, token: str, held: Held) -> bool:
        record, left = held.record, _milliseconds(held.remaining)
        heirs = [_heir(key, token), _heir(key, record.token)]
        keys = [_lock(key), _generation(key), *heirs]
        return bool(
            self._restore_script(keys, token, record.text(record.fence or 0), left)
        )

    def _release(
        self,
        key: str,
        token: str,
        value: bytes | None,
        fresh: float,
        finished: float,
        heir: Heir | None,
    ) -> bool:
        keys: list[str] = [_lock(key)]
        args: list[Any] = [token]
        if finished or heir or value is not None:
            args.append(_milliseconds(finished) if finished else 0)
            args += [heir.record.tail, _milliseconds(heir.expire)] if heir else ["", 0]
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
    return Held(_record(text), remaining, bool(admitted))


def _record(text: bytes) -> Record:
    return Record.parse(text.decode(errors="backslashreplace"))


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, _EVER) * 1000))


def _keys(claim: Claim) -> list[str]:
    keys = [_lock(claim.key)]
    if claim.once:
        keys.append(_mark(claim.key, claim.record.token))
    if claim.generation:
        keys.append(_generation(claim.key))
    if claim.stored:
        keys.append(_value(claim.key))
    return keys


# The braces put all keys of one lock into one slot of a cluster.
def _lock(key: str) -> str:
    return f"unique:{{{key}}}"


def _generation(key: str) -> str:
    return f"unique:{{{key}}}:generation"


def _heir(key: str, token: str) -> str:
    return f"unique:{{{key}}}:heir:{token}"


def _value(key: str) -> str:
    return f"unique:{{{key}}}:value"


def _mark(key: str, token: str) -> str:
    return f"unique:{{{key}}}:attempt:{attempt_of(token)}"
