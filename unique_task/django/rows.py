"""The rows of the tables of locks, as the admin's templates show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..operating import Holder, Lock, Released
from ..pages.locks import Row
from ..pages.words import shown

#: The heads of a table of locks, and of one of what becomes of them. What is long, and
#: the same in each row, is at the end: tables scroll sideways.
HEADS = ("Task", "State", "Verdict", "Since", "Left", "Worker", "Owner", "Key")
OUTCOME_HEADS = ("Task", "Outcome", "Reason", "State", "Owner", "Key")


@dataclass(frozen=True)
class Line:
    """A row of a table.

    Attributes:
        wanted: what names the lock in the address of its page; empty if nothing does.
        selection: which holder of which key it is, in a form; empty if nothing tells.
        cells: under the heads, safe to show.
        name: of the row, for who cannot see it.
    """

    wanted: str
    selection: str
    cells: tuple[str, ...]
    name: str = ""


def line_of(row: Row, *, with_reason: bool = False) -> Line:
    """Return a row of a table of locks.

    Arguments:
        with_reason: of the verdict.
    """
    lock, holder = row.lock, row.holder
    task, worker, verdict = "-", "-", "-"
    if holder is not None:
        task, worker, verdict = holder.task, holder.worker, holder.verdict
        verdict = f"{verdict}: {holder.reason}" if with_reason else verdict
    state = _state(holder) or row.state
    cells = (task or "-", state, verdict, row.since, row.left, worker or "-")
    return _line(lock, holder, cells)


def outcome_line(released: Released) -> Line:
    """Return a row of a table of what becomes of locks."""
    holder = released.holder
    task = holder.task if holder else ""
    cells = (task or "-", released.outcome, released.reason, _state(holder) or "-")
    return _line(released.lock, holder, cells)


def _state(holder: Holder | None) -> str:
    return (holder.hold or holder.state) if holder else ""


def _line(lock: Lock, holder: Holder | None, cells: tuple[str, ...]) -> Line:
    owner = holder.owner if holder else ""
    wanted, selection = lock.key or owner, ""
    if lock.key is not None and holder is not None:
        selection = json.dumps([lock.key, holder.token])
    cells = (*cells, owner or "-", lock.key or lock.name or "-")
    return Line(wanted, selection, tuple(map(shown, cells)), shown(owner))


def selected(values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys and the tokens of what a form has selected.

    What none of our forms has sent is left out.
    """
    for value in values:
        try:
            key, token = json.loads(value)
        except (ValueError, TypeError, RecursionError):
            continue
        yield str(key), str(token)
