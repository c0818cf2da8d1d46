"""The steps of a lock's life in Python, for stores that run no code.

A store shows a step the cells of a key, and keeps at once what the step changed. It may
run a step several times. Change ``redis/scripts.py`` with it: the same steps for Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .cells import (
    ADMITTED,
    FINISHED,
    VALUE,
    Cells,
    heir_name,
    leaving_name,
    mark_name,
)
from .places import Places, places_of
from .renewing import tombstone_name
from .steps import (
    Acquired,
    Acquisition,
    Finished,
    Held,
    Release,
    Replaced,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)


def acquire(cells: Cells, wanted: Acquisition) -> StoreAnswer:
    """Take a lock to run under; see :class:`.Acquisition`."""
    token, places = wanted.record.token, places_of(cells, wanted.limit)
    mark = cells.content(mark_name(token)) if wanted.remember_for else None
    if mark == FINISHED:
        return Finished()
    leaving = cells.held(leaving_name(token)) if mark else None
    if leaving is not None and leaving.record.token not in wanted.take_over_from:
        return replace(leaving, admitted=True)
    if not mark and wanted.generation and cells.notify_replaced(wanted.generation):
        held = places.first()
        return Replaced(held.record.owner if held else None)
    value = cells.content(VALUE) if wanted.accept_value and not mark else None
    if value is not None:
        return Stored(value)
    return _place(cells, places, wanted, bool(mark))


def _place(
    cells: Cells, places: Places, wanted: Acquisition, mark: bool
) -> Acquired | Held:
    token, over = wanted.record.token, wanted.take_over_from
    own = places.held_by(token) if token not in over else None
    given = [held for one in set(over) if (held := places.held_by(one))]
    if own is None and not given and not places.has_room():
        [held] = places.holders(1)
        return replace(held, admitted=mark)
    # Also if it has its place: the call may have broken off between two steps.
    if wanted.remember_for and not (own and mark):
        cells.put(mark_name(token), ADMITTED, wanted.remember_for)
    if own is not None:
        return Acquired(own.record.fence)
    return Acquired(_take(cells, places, wanted, given), mark)


def _take(
    cells: Cells, places: Places, wanted: Acquisition, given: Sequence[Held]
) -> int:
    """Take a free place, or the one of those that give up theirs."""
    fence, expire, token = cells.next_fence(), wanted.expire, wanted.record.token
    first = None
    for held in given:
        if held.record.token == token and expire:
            first = held.record.first
        else:
            places.leave(held.record.token)
    if not expire:
        places.pass_through(fence)
        return fence
    if given and wanted.keep_end:
        expire = max(held.remaining for held in given)
    places.keep(replace(wanted.record, first=first), fence, expire)
    return fence


def reserve(cells: Cells, wanted: Reservation) -> Reserved | Held | Stored:
    """Take a lock for a message; see :class:`.Reservation`."""
    value = cells.content(VALUE) if wanted.accept_value else None
    if value is not None:
        return Stored(value)
    places, within = places_of(cells, wanted.limit), wanted.replace_within
    own = places.held_by(wanted.record.token)
    if own is not None:
        return _reserved_before(cells, own, wanted)
    held, fence = None if places.has_room() else places.first(), cells.next_fence()
    first = held.record.first if held is not None else fence
    since = 0 if first is None else (fence - first) / 1e6
    if held is not None:
        if within is None or first is None or since > within or cells.crowd:
            return held
        known = max(held.remaining, wanted.expire) + wanted.remember_for
        cells.set_generation(fence, cells.generation()[1], known)
    first = first if wanted.replaceable else None
    places.keep(replace(wanted.record, first=first), fence, wanted.expire)
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
    if cells.crowd is not None:
        return True
    held, heir = cells.held(), left.heir
    return held is None or (heir and heir.record.token) == held.record.token


def release(cells: Cells, left: Release) -> bool:
    """Release a lock; see :class:`.Release`."""
    if left.finished_for:
        cells.put(mark_name(left.token), FINISHED, left.finished_for)
    _leave(cells, left)
    places = places_of(cells, left.limit)
    held = places.held_by(left.token)
    _bury(cells, left, held)
    if held is None:
        return False
    if left.value is not None:
        cells.put(VALUE, left.value, left.fresh_for)
    places.leave(left.token)
    if left.heir is not None:
        record = replace(left.heir.record, first=None)
        places.keep(record, held.record.fence or 0, left.heir.expire)
    return True


def _leave(cells: Cells, left: Release) -> None:
    name, leaving = leaving_name(left.token), left.leaving
    if leaving is not None and leaving.expire:
        cells.hold(leaving.record, leaving.record.fence or 0, leaving.expire, name)
    elif leaving is not None or left.finished_for:
        cells.drop(name)


def _bury(cells: Cells, left: Release, held: Held | None) -> None:
    tombstone, name = left.tombstone, leaving_name(left.token)
    if tombstone is None:
        return
    cells.put(tombstone_name(left.token), tombstone.text(), tombstone.seconds)
    if held is not None:
        cells.hold(held.record, held.record.fence or 0, held.remaining, name)
