"""The steps of a lock's life, for stores that run no code of their own.

Such a store shows a step what it keeps of a key, and takes over what the step makes of
that, at once. A step may be taken several times until that succeeds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .base import Backend
from .cells import (
    ADMITTED,
    FINISHED,
    GENERATION,
    LOCK,
    VALUE,
    Cells,
    heir_name,
    leaving_name,
    mark_name,
)
from .reserving import reserve, restore
from .steps import (
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

Answer = TypeVar("Answer")


class StepwiseBackend(Backend):
    """A store of locks that has only to keep cells, see :class:`.cells.Cell`."""

    @abstractmethod
    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        """Let `step` change the cells of `key`, beside which nobody else changes them.

        Arguments:
            names: of the cells that it reads, the lock first.
        """

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        names = [LOCK]
        if wanted.remember_for:
            token = wanted.record.token
            names += [mark_name(token), leaving_name(token)]
        if wanted.generation:
            names.append(GENERATION)
        if wanted.accept_value:
            names.append(VALUE)
        return self._change(wanted.key, names, lambda cells: acquire(cells, wanted))

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        names = [LOCK]
        if wanted.replaceable or wanted.replace_within is not None:
            names.append(GENERATION)
        if wanted.accept_value:
            names.append(VALUE)
        return self._change(wanted.key, names, lambda cells: reserve(cells, wanted))

    def _restore(self, key: str, token: str, held: Held) -> bool:
        names = [LOCK, GENERATION, heir_name(held.record.token)]
        return self._change(key, names, lambda cells: restore(cells, token, held))

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        return [self._renew_one(renewal) for renewal in renewals]

    def _renew_one(self, renewal: Renewal) -> Renewed:
        names = renewed_names(renewal)
        return self._change(renewal.key, names, lambda cells: renew(cells, renewal))

    def _release(self, release: Release) -> bool:
        tries: list[bool] = []

        def step(cells: Cells) -> bool:
            # Taken again, as where the answer was lost, it may find its own work done.
            tries.append(free(cells, release))
            return tries[-1] or (tries[0] and _nobody_came(cells, release))

        return self._change(release.key, [LOCK], step)

    def _get(self, key: str) -> Held | None:
        return self._change(key, [LOCK], Cells.held)


def acquire(cells: Cells, wanted: Acquisition) -> StoreAnswer:
    """Take a lock to run under; see :meth:`.base.Backend.acquire`."""
    token, held = wanted.record.token, cells.held()
    mark = cells.content(mark_name(token)) if wanted.remember_for else None
    if mark == FINISHED:
        return Finished()
    leaving = cells.held(leaving_name(token)) if mark else None
    if leaving is not None and leaving.record.token not in wanted.take_over_from:
        return replace(leaving, admitted=True)
    if not mark and wanted.generation and _is_replaced(cells, wanted.generation):
        return Replaced(held.record.owner if held else None)
    value = cells.content(VALUE) if wanted.accept_value and not mark else None
    if value is not None:
        return Stored(value)
    if held is not None and held.record.token not in wanted.take_over_from:
        return _asked_again(cells, wanted, held, bool(mark))
    if wanted.remember_for:
        cells.put(mark_name(token), ADMITTED, wanted.remember_for)
    return Acquired(_take(cells, wanted, held), bool(mark))


def _asked_again(
    cells: Cells, wanted: Acquisition, held: Held, mark: bool
) -> Acquired | Held:
    token = wanted.record.token
    if held.record.token != token:
        return replace(held, admitted=mark)
    if wanted.remember_for and not mark:  # it broke off between two steps of the store
        cells.put(mark_name(token), ADMITTED, wanted.remember_for)
    return Acquired(held.record.fence)


def _is_replaced(cells: Cells, number: int) -> bool:
    latest, told = cells.generation()
    if latest <= number:
        return False
    cells.tell(latest, max(told, number))
    return True


def _take(cells: Cells, wanted: Acquisition, held: Held | None) -> int:
    fence, expire = cells.next_fence(), wanted.expire
    if not expire:
        cells.drop()
        return fence
    own = held is not None and held.record.token == wanted.record.token
    first = held.record.first if held is not None and own else None
    if held is not None and wanted.keep_end:
        expire = held.remaining
    cells.hold(replace(wanted.record, first=first), fence, expire)
    return fence


def renewed_names(renewal: Renewal) -> list[str]:
    """Return the names of the cells that :func:`renew` reads."""
    if renewal.leaving:
        return [LOCK, leaving_name(renewal.record.token)]
    return [LOCK, mark_name(renewal.record.token)] if renewal.remember_for else [LOCK]


def renew(cells: Cells, renewal: Renewal) -> Renewed:
    """Hold on to a lock; see :meth:`.base.Backend.renew`."""
    record = renewal.record
    if renewal.leaving:
        name = leaving_name(record.token)
        cells.hold(record, renewal.fence or 0, renewal.expire, name)
        return Renewed.HELD
    held = cells.held_by(record.token)
    if held is None and (
        cells.get(LOCK) is not None or _had_by_another(cells, renewal)
    ):
        return Renewed.TAKEN
    mark = mark_name(record.token)
    # An earlier delivery of the message may have finished since; that stays known.
    if renewal.remember_for and cells.content(mark) != FINISHED:
        cells.put(mark, ADMITTED, renewal.remember_for)
    # Where fences are told to nobody, the holder does not know its own.
    known = held.record.fence if held is not None else None
    cells.hold(record, renewal.fence or known or 0, renewal.expire)
    return Renewed.RETAKEN if held is None else Renewed.HELD


def _had_by_another(cells: Cells, renewal: Renewal) -> bool:
    """Tell whether the lock was taken and freed since, if the store remembers that."""
    return bool(cells.last and renewal.fence and cells.last > renewal.fence)


def free(cells: Cells, release: Release) -> bool:
    """Free a lock; see :meth:`.base.Backend.release`."""
    if release.finished_for:
        cells.put(mark_name(release.token), FINISHED, release.finished_for)
    _leave(cells, release)
    held = cells.held_by(release.token)
    if held is None:
        return False
    if release.value is not None:
        cells.put(VALUE, release.value, release.fresh_for)
    cells.drop()
    if release.heir is not None:
        record = replace(release.heir.record, first=None)
        cells.hold(record, held.record.fence or 0, release.heir.expire)
    return True


def _nobody_came(cells: Cells, release: Release) -> bool:
    """Tell whether nobody but the heir has the lock by now.

    Another one may have taken it over before the first try was written, and then that
    freed nothing.
    """
    held, heir = cells.held(), release.heir
    return held is None or (heir and heir.record.token) == held.record.token


def _leave(cells: Cells, release: Release) -> None:
    name, leaving = leaving_name(release.token), release.leaving
    if leaving is not None and leaving.expire:
        record = leaving.record
        cells.hold(record, record.fence or 0, leaving.expire, name)
    elif leaving is not None or release.finished_for:
        cells.drop(name)
