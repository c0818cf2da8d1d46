"""Locks in Redis or Valkey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any

import redis
from redis.exceptions import RedisClusterException

from ...exceptions import ConfigurationError, LockStoreRefusedError
from ..base import Backend
from ..exercise import exercise
from ..promises import Promises
from ..record import VERSION
from ..safe_names import without_password
from ..steps import (
    Acquired,
    Acquisition,
    Finished,
    Held,
    Release,
    Renewal,
    Renewed,
    Replaced,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)
from ..turns import Turns
from .clients import adopt, connect
from .connections import answer_was_lost, expect_answer
from .errors import is_missing_right, is_refusal, reason_of
from .names import Names
from .script_values import EVER, held_of, leaving_of, milliseconds, record_of
from .scripts import (
    ACQUIRE,
    GET,
    LEAVE,
    RELEASE,
    RENEW,
    RESERVE,
    RESTORE,
    Script,
)
from .start_checks import COMMANDS, evictions, keys_to_check, try_commands

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
        self._prefix, self._names = "", Names("")
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

    def _prefixed_by(self, prefix: str) -> RedisBackend:
        # In front of all, as rights of users of Redis (``~prefix*``) want it.
        twin = copy(self)
        twin.__dict__.pop("_prefixed", None)  # those of this one
        twin._prefix = self._prefix + prefix
        twin._names = Names(twin._prefix)
        twin.name = f"{self.name} (prefix {prefix!r})"
        return twin

    def _identity(self) -> str:
        return f"{self._found.identity}{self._prefix and f'/{self._prefix}'}"

    def _refuses(self, error: Exception) -> bool:
        return is_refusal(error, self._found.replicated)

    def _reason(self, error: Exception) -> str:
        return reason_of(error, self._found.replicated)

    def warnings(self) -> list[str]:
        return super().warnings() + self._ask(evictions)

    def check(self) -> None:
        try:  # each step, on each server
            for key in self._ask(lambda one: keys_to_check(one, self._names.lock)):
                # In a script, old servers do not say which command they refuse.
                self._ask(partial(try_commands, name=self._names.lock(key)))
                exercise(self, key)
            for number in range(8):  # of which a node of a cluster has some
                self.get(f"check {number}")
        except LockStoreRefusedError as error:
            if not is_missing_right(error):
                raise
            raise LockStoreRefusedError(
                f"{error}; locks need the rights to {COMMANDS} on all keys that begin "
                f"with {self._names.head!r}"
            ) from error

    def _ask(self, question: Callable[[Any], list[str]]) -> list[str]:
        with self._operation():
            return self._found.asked(question)

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        expire = milliseconds(wanted.expire) if wanted.expire else 0
        remember = milliseconds(wanted.remember_for) if wanted.remember_for else 0
        more = remember, wanted.generation or 0, int(wanted.accept_value)
        answer, *told = self._acquire_script(
            self._names.of(wanted),
            VERSION,
            wanted.record.tail,
            f"keep{expire}" if wanted.keep_end else expire,
            *(more if any(more) or wanted.take_over_from else ()),
            *wanted.take_over_from,
        )
        if answer == 1:
            return Acquired(int(told[0]), bool(told[1]))
        if answer == 2:
            return Stored(told[0])
        if answer == 3:
            return Finished()
        if answer == 4:
            return Replaced(record_of(told[0]).owner if told[0] else None)
        held = held_of(*told)
        again = held.record.token == wanted.record.token
        return Acquired(held.record.fence) if again else held

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        keys, more = [self._names.lock(wanted.key)], list[int]()
        within = wanted.replace_within
        if wanted.replaceable or within is not None:
            back = -1 if within is None else round(min(within, EVER) * 1e6)
            keys.append(self._names.generation(wanted.key))
            more = [int(wanted.replaceable), back, milliseconds(wanted.remember_for)]
        if wanted.accept_value:
            keys.append(self._names.value(wanted.key))
        expire = milliseconds(wanted.expire)
        answer, *told = self._reserve_script(
            keys, VERSION, wanted.record.tail, expire, *more
        )
        if answer == 0:
            return held_of(*told)
        if answer == 2:
            return Stored(told[0])
        fence, first, *replaced = told
        since = (int(fence) - int(first)) / 1e6
        return Reserved(int(fence), since, held_of(*replaced) if replaced else None)

    def _restore(self, key: str, token: str, held: Held) -> bool:
        record, left = held.record, milliseconds(held.remaining)
        heirs = [self._names.heir(key, token), self._names.heir(key, record.token)]
        keys = [self._names.lock(key), self._names.generation(key), *heirs]
        return bool(
            self._restore_script(keys, token, record.text(record.fence or 0), left)
        )

    def _release(self, release: Release) -> bool:
        keys: list[str] = [self._names.lock(release.key)]
        args: list[Any] = [release.token]
        finished, heir, left = release.finished_for, release.heir, release.leaving
        if finished or heir or left or release.value is not None:
            args.append(milliseconds(finished) if finished else 0)
            args += [heir.record.tail, milliseconds(heir.expire)] if heir else ["", 0]
            args += leaving_of(left)
        if finished or left:
            keys.append(self._names.mark(release.key, release.token))
            keys.append(self._names.leaving(release.key, release.token))
        if release.value is not None:
            keys.append(self._names.value(release.key))
            args += [release.value, milliseconds(release.fresh_for)]
        expect_answer()
        # Not held any more: that may be the work of the question whose answer was lost.
        return bool(self._release_script(keys, *args)) or answer_was_lost()

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        evals = [
            (LEAVE, *self._left(one)) if one.leaving else (RENEW, *self._renewal(one))
            for one in renewals
        ]
        answers = self._found.eval_all(evals)
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        # One node of a cluster may be down, and all others have renewed their locks.
        if errors and len(errors) == len(answers):
            raise errors[0]
        return [_RENEWED.get(answer, Renewed.UNKNOWN) for answer in answers]

    def _renewal(self, renewal: Renewal) -> list[Any]:
        """Return the number of keys, the keys, and the arguments."""
        record = renewal.record
        keys = [self._names.lock(renewal.key)]
        times = [milliseconds(renewal.expire)]
        if renewal.remember_for:
            keys.append(self._names.mark(renewal.key, record.token))
            times.append(milliseconds(renewal.remember_for))
        return [len(keys), *keys, record.token, record.text(renewal.fence or 0), *times]

    def _left(self, renewal: Renewal) -> list[Any]:
        """The same for an attempt that has left its body."""
        name = self._names.leaving(renewal.key, renewal.record.token)
        text = renewal.record.text(renewal.fence or 0)
        return [1, name, text, milliseconds(renewal.expire)]

    def _get(self, key: str) -> Held | None:
        record, remaining = self._get_script([self._names.lock(key)])
        return None if record is None else held_of(record, remaining)
