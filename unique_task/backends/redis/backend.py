"""Locks in Redis or Valkey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, TypeVar

import redis
from redis.exceptions import RedisClusterException

from ...exceptions import LockStoreRefusedError
from ..counting import CountedMinute, Counter, Counts
from ..exercise import exercise
from ..findings import Finding
from ..listing import ListedLock, Lists
from ..operation import in_turn
from ..remembering import Remembered, Remembers
from ..steps import (
    Acquisition,
    Held,
    Release,
    ReleasedBy,
    Renewal,
    RenewAnswer,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)
from ..turns import Turns
from .clients import adopt, connect
from .connections import answer_was_lost, expect_answer
from .counters import Counters
from .errors import is_missing_right, is_refusal, reason_of
from .left_behind import left_behind
from .pages import Pages
from .promises import ONE_SERVER, REPLICATED
from .script_calls import (
    Call,
    Names,
    acquire_answer,
    acquire_call,
    held_of,
    release_call,
    renew_answer,
    reserve_answer,
    reserve_call,
    restore_call,
)
from .scripts import GET, RESTORE
from .server_state import server_state
from .several_calls import (
    ACQUIRES,
    BURIES,
    RELEASES,
    RESERVES,
    Scripts,
    is_anchor,
    is_of_several,
    renew_eval,
    several_call,
    several_renew_eval,
)
from .several_scripts import HOLDERS
from .start_checks import COMMANDS, COUNTING, keys_to_check, try_commands

Answer = TypeVar("Answer")

#: A step of a lock that has a limit of holders.
Question = Acquisition | Reservation | Release


class RedisBackend(Lists, Counts, Remembers):
    """Locks in Redis (6.2 or newer) or Valkey, timed by the server's clock.

    Arguments:
        url: ``redis://``, ``rediss://`` (TLS), ``redis+socket://`` or ``sentinel://``,
            as for Celery, or ``redis+cluster://`` (with TLS ``rediss+cluster://``).
        client: a client of your own in place of `url`, also of a cluster; it must not
            decode responses, and needs a ``socket_timeout``.
        timeout: seconds that one operation may take at most, reconnecting included; a
            client of your own keeps its own limits.
    """

    driver_errors = (redis.RedisError, RedisClusterException, OSError)

    promises = ONE_SERVER

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        client: redis.Redis | redis.RedisCluster | None = None,
        timeout: float = 2.0,
    ) -> None:
        opened = connect(url, timeout) if client is None else adopt(client, timeout)
        self.timeout = timeout
        self.name = opened.name
        self._client = opened
        self._prefix, self._names = "", Names("")
        self._turns = Turns(opened.name, opened.connections, timeout)
        if opened.replicated:
            self.promises = REPLICATED

    @classmethod
    def from_url(cls, url: str, timeout: float) -> RedisBackend:
        return cls(url, timeout=timeout)

    def _prefixed_by(self, prefix: str) -> RedisBackend:
        # In front of the whole name, where the rights of a user (``~prefix*``) look.
        twin = copy(self)
        twin.__dict__.pop("_prefixed", None)  # the twins of this one
        twin._prefix = self._prefix + prefix
        twin._names = Names(twin._prefix)
        twin.name = f"{self.name} (prefix {prefix!r})"
        return twin

    def _identity(self) -> str:
        return f"{self._client.identity}{self._prefix and f'/{self._prefix}'}"

    def _refuses(self, error: Exception) -> bool:
        return is_refusal(error, self._client.replicated)

    def _reason(self, error: Exception) -> str:
        return reason_of(error, self._client.replicated)

    def findings(self) -> list[Finding]:
        ask = partial(server_state, replicated=self._client.replicated)
        return [*super().findings(), *self._ask(ask)]

    def check(self) -> None:
        try:  # each step, on each server
            for key in self._ask(lambda one: keys_to_check(one, self._names.lock)):
                # Old servers do not name the command that they refuse in a script.
                self._ask(partial(try_commands, name=self._names.lock(key)))
                exercise(self, key)
            for number in range(8):  # so that each node of a cluster gets some
                self.get(f"check {number}")
        except LockStoreRefusedError as error:
            if not is_missing_right(error):
                raise
            raise LockStoreRefusedError(
                f"{error}; locks need the rights to {COMMANDS} on all keys that begin "
                f"with {self._names.head!r}"
            ) from error

    def _ask(self, question: Callable[[Any], list[Answer]]) -> list[Answer]:
        answers: list[Answer] = in_turn(self, self._client.driver.ask, question)
        return answers

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        call = acquire_call(self._names, wanted)
        return acquire_answer(wanted, self._run(ACQUIRES, wanted, call))

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        call = reserve_call(self._names, wanted)
        return reserve_answer(*self._run(RESERVES, wanted, call))

    def _restore(self, key: str, token: str, held: Held) -> bool:
        call = restore_call(self._names, key, token, held)
        return bool(RESTORE.run(self._client.driver, *call))

    def _release(self, left: Release) -> bool:
        expect_answer()
        scripts = RELEASES if left.tombstone is None else BURIES
        done = self._run(scripts, left, release_call(self._names, left))
        # The first try may have released the lock, and its answer was lost.
        return bool(done) or answer_was_lost()

    def _run(self, scripts: Scripts, question: Question, call: Call) -> Any:
        """Run the script for one holder, or that for several where these may hold."""
        if question.limit == 1:
            answer = scripts.one.run(self._client.driver, *call)
            if not is_of_several(answer):
                return answer
            expect_answer()  # however often it was asked: it did nothing
        more = several_call(self._names, question.key, question.limit, call)
        return scripts.several.run(self._client.driver, *more)

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        evals = [renew_eval(self._names, renewal) for renewal in renewals]
        answers = self._client.driver.eval_all(evals)
        again = [number for number, one in enumerate(answers) if is_of_several(one)]
        if again:
            several = self._renew_several([renewals[number] for number in again])
            for number, answer in zip(again, several):
                answers[number] = answer
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        # One node of a cluster may be down, and all others have renewed their locks.
        if errors and len(errors) == len(answers):
            raise errors[0]
        return [renew_answer(answer) for answer in answers]

    def _renew_several(self, renewals: Sequence[Renewal]) -> list[Any]:
        evals = [several_renew_eval(self._names, renewal) for renewal in renewals]
        try:
            return self._client.driver.eval_all(evals)
        except self.driver_errors as error:
            # What the first trip has renewed stays, and so do its answers.
            return [error] * len(renewals)

    def _released_by(self, key: str, token: str) -> str | None:
        name = self._names.tombstone(key, token)
        text, _ = GET.run(self._client.driver, [name])
        return None if text is None else ReleasedBy.parse(text).name

    def _remembered(self, key: str, tokens: Sequence[str]) -> Remembered:
        return left_behind(self._client.driver, self._names, key, tokens)

    def _get(self, key: str) -> Held | None:
        record, left = GET.run(self._client.driver, [self._names.lock(key)])
        if is_anchor(record):
            return next(iter(self._first_holders(key, 1)), None)
        return None if record is None else held_of(record, left)

    def _holders(self, key: str) -> list[Held]:
        return self._first_holders(key, -1)

    def _first_holders(self, key: str, most: int) -> list[Held]:
        lock: Call = [self._names.lock(key)], []
        call = several_call(self._names, key, most, lock)
        return [held_of(*held) for held in HOLDERS.run(self._client.driver, *call)]

    def _pages(self, size: int, prefix: str) -> Iterator[Sequence[ListedLock]]:
        pages = Pages(self._client, self._names, prefix, size)
        return pages.of_all_servers(self.driver_errors)

    def _count(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        Counters(self._client, self._names, prefix).add(flush, amounts)

    def _try_to_count(self) -> None:
        name = Counters(self._client, self._names).unused()
        self._client.driver.ask(partial(try_commands, name=name, commands=COUNTING))

    def _now(self) -> float:
        return Counters(self._client, self._names).now()

    def _counted_pages(
        self, minutes: range, prefix: str
    ) -> Iterator[Sequence[CountedMinute]]:
        return Counters(self._client, self._names, prefix).pages(minutes)
