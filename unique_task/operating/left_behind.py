"""What runs of a key have left behind: the value of one, and marks of attempts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..backends.base import Backend
from ..backends.record import Token
from ..backends.remembering import Remembers
from .holders import Lock


@dataclass(frozen=True)
class Marked:
    """A mark of the attempt that holds a lock, for when its message comes again.

    Attributes:
        owner: id of the task.
        finished: it does not run again; else a second delivery waits for the first.
        remaining: seconds for which the store remembers that.
    """

    owner: str
    finished: bool
    remaining: float


@dataclass(frozen=True)
class LeftBehind:
    """What the store has of runs that have ended, or that may come again.

    Attributes:
        has_value: whether there is a fresh value for ``cached``.
        age: seconds since it was stored; None without the call that it belongs to.
        fresh_for: seconds for which it stays fresh; None if the store does not tell.
        marks: of the attempts that hold the key.
    """

    has_value: bool
    age: float | None
    fresh_for: float | None
    marks: tuple[Marked, ...]


def left_behind(
    backend: Backend, key: str, locks: Sequence[Lock], ttl: float | None
) -> LeftBehind | None:
    """Return what runs of a key have left behind; None if the store does not tell.

    Arguments:
        locks: those of the key.
        ttl: seconds for which its values are fresh when they are stored, if known.

    Raises:
        LockStoreError: if the store does not answer.
    """
    tokens = [holder.token for lock in locks for holder in lock.holders]
    answer = None
    if isinstance(backend, Remembers):
        answer = backend.remembered(key, tokens)
    if answer is None:
        return None
    marks = tuple(
        Marked(Token.parse(token).owner, mark.finished, mark.remaining)
        for token, mark in answer.marks.items()
    )
    fresh = answer.fresh_for
    if fresh is None or math.isinf(fresh):
        return LeftBehind(fresh is not None, None, None, marks)
    age = None if ttl is None else max(0.0, ttl - fresh)
    return LeftBehind(True, age, fresh, marks)
