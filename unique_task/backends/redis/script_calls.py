"""The keys and arguments of each script, and the answer in what it returns."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from ..record import VERSION, Record, attempt_of
from ..renewing import ReleasedBy, Renewal, RenewAnswer, Renewed, Tombstone
from ..steps import (
    Acquired,
    Acquisition,
    Finished,
    Held,
    Leaving,
    Release,
    Replaced,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)

#: The keys and the arguments of a script.
Call = tuple[list[str], list[Any]]

#: More seconds than any lock stands; exact in a script, also in microseconds.
_EVER = 2**32

_RENEWED = {0: Renewed.TAKEN, 1: Renewed.HELD, 2: Renewed.RETAKEN}


class Names:
    """The names of the keys in Redis.

    They are a stored format: workers of two versions share the keys.

    Arguments:
        prefix: stands before all of them.
    """

    def __init__(self, prefix: str) -> None:
        self.head = f"{prefix}unique:"

    def lock(self, key: str) -> str:
        # The braces put all keys of one lock into one slot of a cluster, if there is
        # more between them than a brace. Our own keys are digests.
        if key[:1] in "}%":
            key = f"%{key}"
        return f"{self.head}{{{key}}}"

    def key(self, lock: bytes) -> str:
        """Return the key whose lock has this name."""
        # Not all that other programs keep there has to be a text.
        name = lock.decode(errors="surrogateescape")
        return name[len(self.head) + 1 : -1].removeprefix("%")

    def locks(self, prefix: str) -> str:
        """Return the pattern of the names of locks whose keys begin with `prefix`."""
        before = self.lock(prefix)[:-1] if prefix else f"{self.head}{{"
        # No other name of ours ends with a brace.
        return re.sub(r"([*?^[\]\\])", r"\\\1", before) + "*}"

    def generation(self, key: str) -> str:
        return f"{self.lock(key)}:generation"

    def holders(self, key: str) -> str:
        return f"{self.lock(key)}:holders"

    def records(self, key: str) -> str:
        return f"{self.lock(key)}:records"

    def heir(self, key: str, token: str) -> str:
        return f"{self.lock(key)}:heir:{token}"

    def value(self, key: str) -> str:
        return f"{self.lock(key)}:value"

    def mark(self, key: str, token: str) -> str:
        return f"{self.lock(key)}:attempt:{attempt_of(token)}"

    def tombstone(self, key: str, token: str) -> str:
        # Scripts make it, too.
        return f"{self.lock(key)}:released:{token}"

    def leaving(self, key: str, token: str) -> str:
        return f"{self.lock(key)}:leaving:{attempt_of(token)}"

    def minutes(self, prefix: str) -> str:
        """Return what the names of minutes begin with, whose counters have `prefix`.

        No lock of ours has this key, and no name of a lock ends as these do.
        """
        return f"{self.lock(f'{prefix}counters')}:"

    def flush(self, prefix: str, flush: str) -> str:
        return f"{self.minutes(prefix)}{flush}:flush"


def acquire_call(names: Names, wanted: Acquisition) -> Call:
    expire = _milliseconds_or_0(wanted.expire)
    end = f"keep{expire}" if wanted.keep_end else expire
    keys = [names.lock(wanted.key)]
    args: list[Any] = [VERSION, wanted.record.tail, end]
    # By far the most need none of the rest.
    if not wanted.plain or wanted.take_over_from:
        keys += _keys_besides_lock(names, wanted)
        remember = _milliseconds_or_0(wanted.remember_for)
        args += [remember, wanted.generation or 0, int(wanted.accept_value)]
        args += wanted.take_over_from
    return keys, args


def _keys_besides_lock(names: Names, wanted: Acquisition) -> list[str]:
    key, token, keys = wanted.key, wanted.record.token, []
    if wanted.remember_for:
        keys += [names.mark(key, token), names.leaving(key, token)]
    if wanted.generation:
        keys.append(names.generation(key))
    if wanted.accept_value:
        keys.append(names.value(key))
    return keys


def acquire_answer(wanted: Acquisition, answer: Any) -> StoreAnswer:
    if isinstance(answer, int):
        return Acquired(answer)
    number, *values = answer
    if number == 1:
        return Acquired(int(values[0]), admitted=True)
    if number == 2:
        return Stored(values[0])
    if number == 3:
        return Finished()
    if number == 4:
        return Replaced(_record_of(values[0]).owner if values[0] else None)
    held = held_of(*values)
    again = held.record.token == wanted.record.token
    return Acquired(held.record.fence) if again else held


def reserve_call(names: Names, wanted: Reservation) -> Call:
    keys, within = [names.lock(wanted.key)], wanted.replace_within
    args = [VERSION, wanted.record.tail, _milliseconds(wanted.expire)]
    if wanted.in_chain:
        keys.append(names.generation(wanted.key))
        back = -1 if within is None else round(min(within, _EVER) * 1e6)
        args += [int(wanted.replaceable), back, _milliseconds(wanted.remember_for)]
    if wanted.accept_value:
        keys.append(names.value(wanted.key))
    return keys, args


def reserve_answer(number: int, *values: Any) -> Reserved | Held | Stored:
    if number == 0:
        return held_of(*values)
    if number == 2:
        return Stored(values[0])
    fence, first, *replaced = values
    since = (int(fence) - int(first)) / 1e6
    return Reserved(int(fence), since, held_of(*replaced) if replaced else None)


def restore_call(names: Names, key: str, token: str, held: Held) -> Call:
    record = held.record
    heirs = [names.heir(key, token), names.heir(key, record.token)]
    keys = [names.lock(key), names.generation(key), *heirs]
    return keys, [token, record.text(record.fence or 0), _milliseconds(held.remaining)]


def release_call(names: Names, left: Release) -> Call:
    key, token, heir, value = left.key, left.token, left.heir, left.value
    keys: list[str] = [names.lock(key)]
    args: list[Any] = [token]
    if left.plain:
        return keys, args
    if left.tombstone is not None:
        return _bury_call(names, left, left.tombstone)
    args.append(_milliseconds_or_0(left.finished_for))
    args += [heir.record.tail, _milliseconds(heir.expire)] if heir else ["", 0]
    args += _leaving(left.leaving)
    if left.finished_for or left.leaving:
        keys += [names.mark(key, token), names.leaving(key, token)]
    if value is not None:
        keys.append(names.value(key))
        args += [value, _milliseconds(left.fresh_for)]
    return keys, args


def _bury_call(names: Names, left: Release, tombstone: Tombstone) -> Call:
    key, token = left.key, left.token
    keys = [names.lock(key), names.tombstone(key, token), names.leaving(key, token)]
    return keys, [token, tombstone.text(), _milliseconds(tombstone.seconds)]


def _leaving(leaving: Leaving | None) -> list[Any]:
    if leaving is None or not leaving.expire:
        return ["", 0]
    record = leaving.record
    return [record.text(record.fence or 0), _milliseconds(leaving.expire)]


def leave_call(names: Names, renewal: Renewal) -> Call:
    name = names.leaving(renewal.key, renewal.record.token)
    return [name], _renewed(renewal)


def renew_call(names: Names, renewal: Renewal) -> Call:
    key, token = renewal.key, renewal.record.token
    keys, args = [names.lock(key)], [token, *_renewed(renewal)]
    if renewal.remember_for:
        keys.append(names.mark(key, token))
        args.append(_milliseconds(renewal.remember_for))
    return keys, args


def _renewed(renewal: Renewal) -> list[Any]:
    text = renewal.record.text(renewal.fence or 0)
    return [text, _milliseconds(renewal.expire)]


def renew_answer(answer: Any) -> RenewAnswer:
    if isinstance(answer, bytes):
        return ReleasedBy.parse(answer)
    return _RENEWED.get(answer, Renewed.UNKNOWN)


def held_of(text: bytes, milliseconds: int, admitted: int = 0) -> Held:
    return Held(_record_of(text), seconds_of(milliseconds), bool(admitted))


def seconds_of(milliseconds: int) -> float:
    """Return what is left of a key, as PTTL tells it."""
    # -1: the key has no end, as after a PERSIST by hand.
    return math.inf if milliseconds == -1 else max(milliseconds, 0) / 1000


def _record_of(text: bytes) -> Record:
    return Record.parse(text.decode(errors="backslashreplace"))


@lru_cache(maxsize=256)  # a task has a few durations, and each of its calls the same
def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, _EVER) * 1000))


def _milliseconds_or_0(seconds: float) -> int:
    return _milliseconds(seconds) if seconds else 0
