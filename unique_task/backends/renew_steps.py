"""The steps that hold a lock for longer, in Python; see :mod:`.lock_steps`."""

from __future__ import annotations

from .cells import ADMITTED, FINISHED, LOCK, Cells, leaving_name, mark_name
from .places import Places, places_of
from .renewing import ReleasedBy, Renewal, RenewAnswer, Renewed, tombstone_name


def renewed_names(renewal: Renewal) -> list[str]:
    """Return the names of the cells that :func:`renew` reads."""
    token = renewal.record.token
    if renewal.leaving:
        return [LOCK, leaving_name(token)]
    return [LOCK, mark_name(token)] if renewal.remember_for else [LOCK]


def renew(cells: Cells, renewal: Renewal) -> Renewed | None:
    """Hold a lock for longer; return None, and do nothing, if its token lacks it."""
    record, expire = renewal.record, renewal.expire
    if renewal.leaving:
        cells.hold(record, renewal.fence or 0, expire, leaving_name(record.token))
        return Renewed.HELD
    places = places_of(cells, renewal.limit)
    held = places.held_by(record.token)
    if held is None:
        return None
    # Where tasks get no fences, the holder does not know its own.
    _keep(cells, places, renewal, renewal.fence or held.record.fence or 0)
    return Renewed.HELD


def retaken_names(renewal: Renewal) -> list[str]:
    """Return the names of the cells that :func:`retake` reads."""
    return [*renewed_names(renewal), tombstone_name(renewal.record.token)]


def retake(cells: Cells, renewal: Renewal) -> RenewAnswer:
    """Renew a lock that its token did not hold a moment ago; see :class:`.Renewal`."""
    renewed = renew(cells, renewal)
    if renewed is not None:
        return renewed
    tombstone = cells.content(tombstone_name(renewal.record.token))
    if tombstone is not None:
        return ReleasedBy.parse(tombstone)
    places = places_of(cells, renewal.limit)
    if not _may_retake(cells, places, renewal):
        return Renewed.TAKEN
    _keep(cells, places, renewal, renewal.fence or 0)
    return Renewed.RETAKEN


def _keep(cells: Cells, places: Places, renewal: Renewal, fence: int) -> None:
    mark = mark_name(renewal.record.token)
    # An earlier delivery of the message may have finished since; that stays known.
    if renewal.remember_for and cells.content(mark) != FINISHED:
        cells.put(mark, ADMITTED, renewal.remember_for)
    places.keep(renewal.record, fence, renewal.expire)


def _may_retake(cells: Cells, places: Places, renewal: Renewal) -> bool:
    # Several may have taken it since, and left.
    taken = renewal.limit == 1 and cells.was_taken_since(renewal.fence)
    return places.has_room() and not taken
