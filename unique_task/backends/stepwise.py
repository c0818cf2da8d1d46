"""A backend for a store that runs no code: which cells each step of a lock reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..exceptions import ConfigurationError
from .cells import (
    GENERATION,
    LOCK,
    VALUE,
    Cells,
    heir_name,
    holder_name,
    leaving_name,
    mark_name,
)
from .lock_steps import acquire, releasing, reserve, restore
from .places import places_of
from .remembering import Remembered, Remembers, remembered_in
from .renew_steps import renew, renewed_names, retake, retaken_names
from .renewing import ReleasedBy, tombstone_name
from .steps import (
    Acquisition,
    Held,
    Release,
    Renewal,
    RenewAnswer,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)

Answer = TypeVar("Answer")


class StepwiseBackend(Remembers):
    """A backend for a store that keeps cells, see :class:`.cells.Cell`."""

    @abstractmethod
    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        """Let `step` change the cells of `key` while no other process changes them.

        The step reads the cells `names`, of which the lock is the first.
        """

    def _change_places(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        """Do what :meth:`_change` does, with the holders of the lock as `crowd`.

        A store whose locks can have several holders overrides it.
        """
        raise ConfigurationError(
            f"{self.name}: a lock there can have one holder, so limit must be 1: use "
            "another store"
        )

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        names, token = [LOCK], wanted.record.token
        if wanted.remember_for:
            names += [mark_name(token), leaving_name(token)]
        names += [GENERATION] * bool(wanted.generation)
        names += [VALUE] * wanted.accept_value
        tokens = [token, *wanted.take_over_from]
        return self._step(wanted, names, tokens, lambda cells: acquire(cells, wanted))

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        names = [LOCK] + [GENERATION] * wanted.in_chain + [VALUE] * wanted.accept_value
        tokens = [wanted.record.token]
        return self._step(wanted, names, tokens, lambda cells: reserve(cells, wanted))

    def _restore(self, key: str, token: str, held: Held) -> bool:
        names = [LOCK, GENERATION, heir_name(held.record.token)]
        return self._change(key, names, lambda cells: restore(cells, token, held))

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        return [self._renew_one(renewal) for renewal in renewals]

    def _renew_one(self, renewal: Renewal) -> RenewAnswer:
        names, tokens = renewed_names(renewal), [renewal.record.token]
        held = self._step(renewal, names, tokens, lambda cells: renew(cells, renewal))
        return held or self._retake(renewal)

    def _retake(self, renewal: Renewal) -> RenewAnswer:
        """Renew a lock that its token did not hold; few do, and these read more."""
        names, tokens = retaken_names(renewal), [renewal.record.token]
        return self._step(renewal, names, tokens, lambda cells: retake(cells, renewal))

    def _released_by(self, key: str, token: str) -> str | None:
        name = tombstone_name(token)
        text = self._change(key, [LOCK, name], lambda cells: cells.content(name))
        return None if text is None else ReleasedBy.parse(text).name

    def _remembered(self, key: str, tokens: Sequence[str]) -> Remembered | None:
        names = [LOCK, VALUE, *map(mark_name, tokens)]
        return self._change(key, names, lambda cells: remembered_in(cells, tokens))

    def _release(self, left: Release) -> bool:
        return self._step(left, [LOCK], [left.token], releasing(left, []))

    def _get(self, key: str) -> Held | None:
        return next(iter(self._first_holders(key, 1)), None)

    def _holders(self, key: str) -> list[Held]:
        return self._first_holders(key, None)

    def _first_holders(self, key: str, most: int | None) -> list[Held]:
        return self._by_form(
            key, [LOCK], [], lambda cells: places_of(cells, 1).holders(most)
        )

    def _step(
        self,
        asked: Acquisition | Reservation | Renewal | Release,
        names: Sequence[str],
        tokens: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        """Do a step where the lock has places for several, or one holder."""
        if asked.limit == 1:
            return self._by_form(asked.key, names, tokens, step)
        return self._in_places(asked.key, names, tokens, step)

    def _by_form(
        self,
        key: str,
        names: Sequence[str],
        tokens: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        """Do a step of one that wants the lock alone, and may meet several holders."""
        answers = self._change(
            key, names, lambda cells: None if cells.is_shared() else (step(cells),)
        )
        if answers is None:
            return self._in_places(key, names, tokens, step)
        return answers[0]

    def _in_places(
        self,
        key: str,
        names: Sequence[str],
        tokens: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        """Do a step that sees the places of these `tokens`, and counts the others."""
        places = [holder_name(token) for token in tokens]
        return self._change_places(key, [*names, *places], step)
