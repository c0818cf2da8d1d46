"""Locks in Redis or Valkey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import RedisClusterException

from ..exceptions import ConfigurationError
from .base import Backend
from .passwords import without_password
from .promises import Promises
from .record import VERSION, Record, attempt_of
from .redis_answers import answer_was_lost, expect_answer
from .redis_clients import adopt, connect
from .redis_errors import is_refusal, reason_of
from .redis_scripts import (
    ACQUIRE,
    GET,
    LEAVE,
    RELEASE,
    RENEW,
    RESERVE,
    RESTORE,
    Script,
)
from .steps import (
    Acquired,
    Booking,
    Claim,
    Finished,
    Held,
    Leaving,
    Release,
    Renewal,
    Renewed,
    Replaced,
    Reserved,
    StoreAnswer,
    Stored,
)
from .turns import Turns

#: Seconds that are longer than any lock stands; as microseconds exact in a script.
_EVER = 2**32

_RENEWED = {0: Renewed.TAKEN, 1: Renewed.HELD, 2: Renewed.RETAKEN}


#: What is promised of Sentinels and of a Cluster, which replicate what they have.
REPLICATED = Promises(restart="what was saved; a fail-over, what was replicated")


class RedisBackend(Backend):
    """Locks in Redis (6.2 or newer) or Valkey, timed by the server's clock.

    Arguments:
        url: ``redis://``, ``rediss://`` (TLS), ``redis+socket://`` or ``sentinel://``,
            as for Celery, or ``redis+cluster://`` (with TLS ``rediss+cluster://``).
        client: in place of `url`, a client of your own, also of a cluster; it must not
            decode responses, and needs a ``socket_timeout``.
        timeout: seconds that one operation may take at most, reconnecting included; a
            client of your own has its own limits.
    """

    driver_errors = (redis.RedisError, RedisClusterException, OSError)

    promises = Promises(restart="what was saved")

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        client: redis.Redis | redis.RedisCluster | None = None,
        timeout: float = 2.0,
    ) -> None:
        found = connect(url, timeout) if client is None else adopt(client, timeout)
        self.timeout = timeout
        self.name = without_password(url) if client is None else found.identity
        if found.options.get("decode_responses"):
            raise ConfigurationError(
                f"{self.name}: the client decodes responses, and stored values are "
                "bytes: pass one with decode_responses=False"
            )
        if client is not None and not found.options.get("socket_timeout"):
            raise ConfigurationError(
                f"{self.name}: the client waits for an answer for ever: pass one with "
                f"socket_timeout={timeout / 2:g}, or less"
            )
        self._found = found
        self._turns = Turns(self.name, found.connections, timeout)
        if found.replicated:
            self.promises = REPLICATED
        self._acquire_script = Script(found.client, ACQUIRE)
        self._reserve_script = Script(found.client, RESERVE)
        self._restore_script = Script(found.client, RESTORE)
        self._release_script = Script(found.client, RELEASE)
        self._get_script = Script(found.client, GET)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> RedisBackend:
        return cls(url, timeout=timeout)

    def _identity(self) -> str:
        return self._found.identity

    def _refuses(self, error: Exception) -> bool:
        return is_refusal(error, self._found.replicated)

    def _reason(self, error: Exception) -> str:
        return reason_of(error, self._found.replicated)

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

    def _release(self, release: Release) -> bool:
        keys: list[str] = [_lock(release.key)]
        args: list[Any] = [release.token]
        finished, heir, left = release.finished, release.heir, release.leaving
        if finished or heir or left or release.value is not None:
            args.append(_milliseconds(finished) if finished else 0)
            args += [heir.record.tail, _milliseconds(heir.expire)] if heir else ["", 0]
            args += _leaving(left)
        if finished or left:
            keys.append(_mark(release.key, release.token))
            keys.append(_leaving_key(release.key, release.token))
        if release.value is not None:
            keys.append(_value(release.key))
            args += [release.value, _milliseconds(release.fresh)]
        expect_answer()
        # Not held any more: that may be the work of the question whose answer was lost.
        return bool(self._release_script(keys, *args)) or answer_was_lost()

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        evals = [
            (LEAVE, *_left(one)) if one.leaving else (RENEW, *_renewal(one))
            for one in renewals
        ]
        answers = self._found.eval_all(evals)
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        # One node of a cluster may be down, and all others have renewed their locks.
        if errors and len(errors) == len(answers):
            raise errors[0]
        return [_RENEWED.get(answer, Renewed.UNKNOWN) for answer in answers]

    def _get(self, key: str) -> Held | None:
        record, remaining = self._get_script([_lock(key)])
        return None if record is None else _held(record, remaining)


def _held(text: bytes, milliseconds: int, admitted: int = 0) -> Held:
    # -1: somebody took the end off the key by hand.
    remaining = math.inf if milliseconds == -1 else max(milliseconds, 0) / 1000
    return Held(_record(text), remaining, bool(admitted))


def _record(text: bytes) -> Record:
    return Record.parse(text.decode(errors="backslashreplace"))


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, _EVER) * 1000))


def _renewal(renewal: Renewal) -> list[Any]:
    """Return the number of keys, the keys, and the arguments."""
    record = renewal.record
    keys, times = [_lock(renewal.key)], [_milliseconds(renewal.expire)]
    if renewal.once:
        keys.append(_mark(renewal.key, record.token))
        times.append(_milliseconds(renewal.once))
    return [len(keys), *keys, record.token, record.text(renewal.fence or 0), *times]


def _left(renewal: Renewal) -> list[Any]:
    """The same for an attempt that has left its body."""
    name, record = _leaving_key(renewal.key, renewal.record.token), renewal.record
    return [1, name, record.text(renewal.fence or 0), _milliseconds(renewal.expire)]


def _leaving(leaving: Leaving | None) -> list[Any]:
    if leaving is None or not leaving.expire:
        return ["", 0]
    record = leaving.record
    return [record.text(record.fence or 0), _milliseconds(leaving.expire)]


def _keys(claim: Claim) -> list[str]:
    keys = [_lock(claim.key)]
    if claim.once:
        keys.append(_mark(claim.key, claim.record.token))
        keys.append(_leaving_key(claim.key, claim.record.token))
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


def _leaving_key(key: str, token: str) -> str:
    return f"unique:{{{key}}}:leaving:{attempt_of(token)}"
