"""The steps by which a lock is reserved for a message, and given back to another."""

from __future__ import annotations

from dataclasses import replace

from .cells import VALUE, Cells, heir_name
from .steps import Held, Reservation, Reserved, Stored


def reserve(cells: Cells, wanted: Reservation) -> Reserved | Held | Stored:
    """Take a lock for a message; see :meth:`.base.Backend.reserve`."""
    value = cells.content(VALUE) if wanted.accept_value else None
    if value is not None:
        return Stored(value)
    held, record, fence = cells.held(), wanted.record, cells.next_fence()
    if held is not None and held.record.token == record.token:
        return _again(cells, held, wanted)
    first = held.record.first if held is not None else fence
    since = 0 if first is None else (fence - first) / 1e6
    if held is not None:
        if (
            wanted.replace_within is None
            or first is None
            or since > wanted.replace_within
        ):
            return held
        known = max(held.remaining, wanted.expire) + wanted.remember_for
        cells.tell(fence, cells.generation()[1], known)
    first = first if wanted.replaceable else None
    cells.hold(replace(record, first=first), fence, wanted.expire)
    return Reserved(fence, since, held)


def _again(cells: Cells, held: Held, wanted: Reservation) -> Reserved:
    """What was answered when the lock was reserved, but for who was replaced."""
    fence = held.record.fence or 0
    first = fence if held.record.first is None else held.record.first
    latest, told = cells.generation()
    if first < fence and latest < fence:  # it broke off between two steps of the store
        cells.tell(fence, told, held.remaining + wanted.remember_for)
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
    latest, told = cells.generation()
    # Who was told has ended, and would never free it.
    if told >= fence > 0:
        cells.drop()
    else:
        cells.hold(held.record, fence, held.remaining)
    if latest:
        cells.tell(fence, told)
    return True
