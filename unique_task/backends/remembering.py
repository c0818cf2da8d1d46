"""Backends that tell what runs have left behind: a value, and marks of attempts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .base import Backend
from .cells import FINISHED, VALUE, Cells, mark_name
from .operation import in_turn


@dataclass(frozen=True)
class Mark:
    """What a store remembers of an attempt whose message may come again.

    Attributes:
        finished: the attempt must not run again; else it once got the lock.
        remaining: seconds for which the store remembers it.
    """

    finished: bool
    remaining: float


@dataclass(frozen=True)
class Remembered:
    """What runs of one key have left behind.

    Attributes:
        fresh_for: seconds for which the value of a run stays fresh; infinite if the
            store does not tell; None if there is no value.
        marks: those of the attempts that were asked for, by their tokens.
    """

    fresh_for: float | None
    marks: Mapping[str, Mark]


class Remembers(Backend):
    """A backend that tells what runs have left behind, for operators."""

    def remembered(self, key: str, tokens: Sequence[str] = ()) -> Remembered | None:
        """Return what runs of `key` have left behind; None if the store does not tell.

        Arguments:
            tokens: of the attempts whose marks are wanted; the nonce does not matter.

        Raises:
            LockStoreError: if the store does not answer.
        """
        return in_turn(self, self._remembered, key, tokens)

    @abstractmethod
    def _remembered(self, key: str, tokens: Sequence[str]) -> Remembered | None: ...


def remembered_in(cells: Cells, tokens: Sequence[str]) -> Remembered:
    """Return what the cells of a key have of its runs."""
    value, marks = cells.get(VALUE), {}
    for token in tokens:
        mark = cells.get(mark_name(token))
        if mark is not None:
            marks[token] = Mark(mark.content == FINISHED, mark.end - cells.now)
    return Remembered(None if value is None else value.end - cells.now, marks)
