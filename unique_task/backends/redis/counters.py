"""The counters in Redis: a hash for each minute, which ends by itself.

All keys with one prefix are in one slot of a cluster. Their names, and the fields of a
hash (the name of the counter, a blank, that of the task), are a stored format: workers
of two versions share them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis

from ..counting import KEPT, REMEMBERED, CountedMinute, Counter
from .clients import Client
from .script import Script
from .script_calls import Names

# Adds amounts to the counters of this minute, unless the flush was counted.
#
# The flush is remembered last: an error before, as of a key of another type, returns
# each time. The names of the minutes are made here, as no client knows what time it is.
#
# Keys: 1 mark of the flush; 2 what the names of the minutes begin with.
# Arguments: 1 milliseconds that a minute is kept; 2 milliseconds that the flush is
#   remembered. Then, for each counter: its field; the amount.
# Returns 1 counted; 0 counted before.
COUNT = Script("""
if redis.call('GET', KEYS[1]) then return 0 end
local minute = math.floor(redis.call('TIME')[1] / 60)
local name = KEYS[2] .. string.format('%.0f', minute)
for i = 3, #ARGV, 2 do redis.call('HINCRBYFLOAT', name, ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', name, ARGV[1])
redis.call('SET', KEYS[1], '', 'PX', ARGV[2])
return 1
""")

# Keys: 1 what the names of the minutes begin with, to ask the server that has them.
# Returns {seconds since 1970, microseconds}.
NOW = Script("""
return redis.call('TIME')
""")

# Keys: 1 minute.
# Returns the fields of its counters, each before its amount.
OF_MINUTE = Script("""
return redis.call('HGETALL', KEYS[1])
""")

#: Minutes that are read in one trip.
_PAGE = 10


class Counters:
    """The counters of a client's servers.

    Arguments:
        prefix: of the counters.
    """

    def __init__(self, client: Client, names: Names, prefix: str = "") -> None:
        self._driver = client.driver
        self._names = names
        self._prefix = prefix

    def add(self, flush: str, amounts: Mapping[Counter, float]) -> None:
        """Add amounts to the counters of this minute, unless the flush was counted."""
        keys = [self._names.flush(self._prefix, flush), self._head]
        args: list[Any] = [(KEPT + 1) * 60_000, REMEMBERED * 1000]
        for (task, name), amount in amounts.items():
            args += [f"{name} {task}", repr(float(amount))]
        COUNT.run(self._driver, keys, args)

    def unused(self) -> str:
        """Return a name beside those of the minutes, to try what we may do there."""
        return f"{self._head}check {os.urandom(6).hex()}"

    def now(self) -> float:
        """Return seconds since 1970 by the clock of the server that counts."""
        seconds, micros = NOW.run(self._driver, [self._head])
        return int(seconds) + int(micros) / 1e6

    def pages(self, minutes: range) -> Iterator[Sequence[CountedMinute]]:
        """Yield what some minutes have counted, several of them in one trip."""
        for first in range(0, len(minutes), _PAGE):
            page = minutes[first : first + _PAGE]
            evals = [(OF_MINUTE, [f"{self._head}{one}"], ()) for one in page]
            answers = self._driver.eval_all(evals)
            for error in filter(_is_error, answers):
                raise error
            yield [
                row
                for minute, answer in zip(page, answers)
                for row in _rows(minute, answer)
            ]

    @property
    def _head(self) -> str:
        return self._names.minutes(self._prefix)


def _is_error(answer: Any) -> bool:
    return isinstance(answer, Exception)


def _rows(minute: int, answer: list[bytes]) -> Iterator[CountedMinute]:
    for field, amount in zip(answer[::2], answer[1::2]):
        name, _, task = field.decode(errors="backslashreplace").partition(" ")
        yield CountedMinute(minute, task, name, _number(name, amount))


def _number(name: str, amount: bytes) -> float:
    try:
        return float(amount)
    except ValueError:  # somebody else wrote it
        raise redis.ResponseError(f"the counter {name} is {amount!r}") from None
