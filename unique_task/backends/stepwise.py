"""The steps of a lock's life in Python, for stores that run no code.

A store shows a step the cells of a key, and keeps at once what the step changed. It may
run a step several times. Change ``redis/scripts.py`` with it: the same steps for Redis.
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
    """A backend for a store that keeps cells, see :class:`.cells.Cell`."""

    @abstractmethod
    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        """Let `step` change the cells of `key` while no other process changes them.

        The step reads the cells `names`, of which the lock is the first.
        """

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        names, token = [LOCK], wanted.record.token
        if wanted.remember_for:
            names += [mark_name(token), leaving_name(token)]
        names += [GENERATION] * bool(wanted.generation)
        names += [VALUE] * wanted.accept_value
        return self._change(wanted.key, names, lambda cells: acquire(cells, wanted))

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        names = [LOCK] + [GENERATION] * wanted.in_chain + [VALUE] * wanted.accept_value
        return self._change(wanted.key, names, lambda cells: reserve(cells, wanted))

    def _restore(self, key: str, token: str, held: Held) -> bool:
        names = [LOCK, GENERATION, heir_name(held.record.token)]
        return self._change(key, names, lambda cells: restore(cells, token, held))

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        return [self._renew_one(renewal) for renewal in renewals]

    def _renew_one(self, renewal: Renewal) -> Renewed:
        names = renewed_names(renewal)
        return self._change(renewal.key, names, lambda cells: renew(cells, renewal))

    def _release(self, left: Release) -> bool:
        return self._change(left.key, [LOCK], releasing(left, []))

    def _get(self, key: str) -> Held | None:
        return self._change(key, [LOCK], Cells.held)


def acquire(cells: Cells, wanted: Acquisition) -> StoreAnswer:
    """Take a lock to run under; see :class:`.Acquisition`."""
    token, held = wanted.record.token, cells.held()
    mark = cells.content(mark_name(token)) if wanted.remember_for else None
    if mark == FINISHED:
        return Finished()
    leaving = cells.held(leaving_name(token)) if mark else None
    if leaving is not None and leaving.record.token not in wanted.take_over_from:
        return replace(leaving, admitted=True)
    if not mark and wanted.generation and cells.notify_replaced(wanted.generation):
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


def reserve(cells: Cells, wanted: Reservation) -> Reserved | Held | Stored:
    """Take a lock for a message; see :class:`.Reservation`."""
    value = cells.content(VALUE) if wanted.accept_value else None
    if value is not None:
        return Stored(value)
    held, fence, within = cells.held(), cells.next_fence(), wanted.replace_within
    if held is not None and held.record.token == wanted.record.token:
        return _reserved_before(cells, held, wanted)
    first = held.record.first if held is not None else fence
    since = 0 if first is None else (fence - first) / 1e6
    if held is not None:
        if within is None or first is None or since > within:
            return held
        known = max(held.remaining, wanted.expire) + wanted.remember_for
        cells.set_generation(fence, cells.generation()[1], known)
    first = first if wanted.replaceable else None
    cells.hold(replace(wanted.record, first=first), fence, wanted.expire)
    return Reserved(fence, since, held)


def _reserved_before(cells: Cells, held: Held, wanted: Reservation) -> Reserved:
    """Repeat the answer of the first time, but for the message that was replaced."""
    fence = held.record.fence or 0
    first = fence if held.record.first is None else held.record.first
    latest, notified = cells.generation()
    if first < fence and latest < fence:  # it broke off between two steps of the store
        cells.set_generation(fence, notified, held.remaining + wanted.remember_for)
    return Reserved(fence, (fence - first) / 1e6)


def restore(cells: Cells, token: str, held: Held) -> bool:
    """Give a lock back; see :meth:`.base.Backend.restore`."""
    newer = cells.held_by(token)
    # Its publish may have failed as well, while a third one held the lock.
    held = cells.held(heir_name(held.record.token)) or held
    fence = held.record.fence or 0
    if newer is None:
        cells.hold(held.record, fence, held.remaining, heir_name(token))
        return False
    latest, notified = cells.generation()
    # A message that heard of its replacement has ended, and would never release it.
    if notified >= fence > 0:
        cells.drop()
    else:
        cells.hold(held.record, fence, held.remaining)
    if latest:
        cells.set_generation(fence, notified)
    return True


def renewed_names(renewal: Renewal) -> list[str]:
    """Return the names of the cells that :func:`renew` reads."""
    token = renewal.record.token
    if renewal.leaving:
        return [LOCK, leaving_name(token)]
    return [LOCK, mark_name(token)] if renewal.remember_for else [LOCK]


def renew(cells: Cells, renewal: Renewal) -> Renewed:
    """Hold a lock for longer; see :class:`.Renewal`."""
    record, expire = renewal.record, renewal.expire
    if renewal.leaving:
        cells.hold(record, renewal.fence or 0, expire, leaving_name(record.token))
        return Renewed.HELD
    held = cells.held_by(record.token)
    if held is None and (cells.get(LOCK) or cells.was_taken_since(renewal.fence)):
        return Renewed.TAKEN
    mark = mark_name(record.token)
    # An earlier delivery of the message may have finished since; that stays known.
    if renewal.remember_for and cells.content(mark) != FINISHED:
        cells.put(mark, ADMITTED, renewal.remember_for)
    # Where tasks get no fences, the holder does not know its own.
    known = held.record.fence if held is not None else None
    cells.hold(record, renewal.fence or known or 0, expire)
    return Renewed.RETAKEN if held is None else Renewed.HELD


def releasing(left: Release, tries: list[bool]) -> Callable[[Cells], bool]:
    """Return the step that releases a lock, with the answers of earlier `tries`."""

    def step(cells: Cells) -> bool:
        # Run again, as where the answer was lost, it may find its own work done.
        tries.append(release(cells, left))
        return tries[-1] or (tries[0] and _is_left_alone(cells, left))

    return step


def _is_left_alone(cells: Cells, left: Release) -> bool:
    # If not, another attempt took it over before the first try was written, and that
    # try released nothing.
    held, heir = cells.held(), left.heir
    return held is None or (heir and heir.record.token) == held.record.token


def release(cells: Cells, left: Release) -> bool:
    """Release a lock; see :class:`.Release`."""
    if left.finished_for:
        cells.put(mark_name(left.token), FINISHED, left.finished_for)
    _leave(cells, left)
    held = cells.held_by(left.token)
    if held is None:
        return False
    if left.value is not None:
        cells.put(VALUE, left.value, left.fresh_for)
    cells.drop()
    if left.heir is not None:
        record = replace(left.heir.record, first=None)
        cells.hold(record, held.record.fence or 0, left.heir.expire)
    return True


def _leave(cells: Cells, left: Release) -> None:
    name, leaving = leaving_name(left.token), left.leaving
    if leaving is not None and leaving.expire:
        cells.hold(leaving.record, leaving.record.fence or 0, leaving.expire, name)
    elif leaving is not None or left.finished_for:
        cells.drop(name)
