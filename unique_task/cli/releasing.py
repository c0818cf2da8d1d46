"""The command that releases locks: which ones, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from celery import Celery

from .. import operating
from ..pages.words import STATES
from .found import Found
from .holding import user_at_host
from .output import Failed, Usage, echo, echo_json, echo_table

_HEAD = ("TASK", "KEY", "STATE", "OWNER", "OUTCOME", "REASON")


def release_locks(
    app: Celery,
    wanted: str | None,
    args: Any,
    kwargs: Any,
    timeout: float,
    as_json: bool,
    force: bool,
    running: bool = False,
    revoke: bool = False,
    by: str | None = None,
    **filters: Any,
) -> None:
    """Release locks, or tell which ones would be released."""
    given = {name: value for name, value in filters.items() if value}
    if bool(given) if wanted is not None else not (given or running):
        raise Usage(
            "which locks? Give either a key, a task id or a call of a task, or some of "
            "--task, --worker, --dead, --pending, --running and --held"
        )
    if wanted is None:
        chosen = _filter(running=running, **given)
        found = Found(operating.locks(app, chosen, timeout=timeout))
    else:
        found = Found(_of_one(app, wanted, args, kwargs, timeout))
    wish: dict[str, Any] = {"force": force, "running": running, "revoke": revoke}
    outcomes = Outcomes(operating.release(app, found, by=by or user_at_host(), **wish))
    if as_json:
        for released in outcomes:
            echo_json(operating.as_plain(released))
    else:
        _print(app, outcomes, found)
    found.say_what_is_missing()
    if outcomes.refused or outcomes.unrevoked:
        raise Failed(_failures(outcomes))


def _failures(outcomes: Outcomes) -> str:
    counted = {"refused": outcomes.refused, "not revoked": outcomes.unrevoked}
    return ", ".join(f"{count} {what}" for what, count in counted.items() if count)


def _filter(
    task: str = "*",
    worker: str = "*",
    dead: bool = False,
    pending: bool = False,
    held: bool = False,
    running: bool = False,
) -> operating.Wanted:
    given = {"pending": pending, "held": held, "running": running, "called": running}
    chosen = tuple(state for state, wanted in given.items() if wanted)
    return operating.Wanted(
        task,
        worker,
        # An operator who holds a key in the way of others has a reason.
        states=chosen or tuple(state for state in STATES if state != "held"),
        verdicts=("dead",) if dead else (),
    )


def _of_one(
    app: Celery, wanted: str, args: Any, kwargs: Any, timeout: float
) -> Iterator[operating.Lock | operating.Missing]:
    is_call = operating.is_call(app, wanted, args, kwargs)
    for detail in operating.show(app, wanted, args, kwargs, timeout=timeout):
        whole = is_call or detail.key == wanted
        for lock in detail.locks:
            yield from [lock] if whole else _of_task(lock, wanted)
        # Who waits does not matter here.
        yield from detail.away


def _of_task(lock: operating.Lock, task_id: str) -> Iterator[operating.Lock]:
    """Yield a lock with one of its holders alone: that of others is theirs."""
    holders = tuple(one for one in lock.holders if one.owner == task_id)
    if holders:
        yield replace(lock, holders=holders)


class Outcomes:
    """What became of each lock, as it comes in, counted."""

    def __init__(self, outcomes: Iterable[operating.Released]) -> None:
        self.count = self.refused = self.offered = self.unrevoked = 0
        self._outcomes = outcomes

    def __iter__(self) -> Iterator[operating.Released]:
        for released in self._outcomes:
            self.count += 1
            self.refused += released.outcome == operating.REFUSED
            self.offered += released.outcome == operating.OFFERED
            self.unrevoked += released.revoked is False
            yield released


def _print(app: Celery, outcomes: Outcomes, found: Found[operating.Lock]) -> None:
    for store in operating.stores(app):
        echo("store:", store)
    echo_table(_HEAD, map(_row, outcomes))
    if not outcomes.count:
        echo(found.nothing("no such lock is held"))
    if outcomes.offered:
        echo("nothing was released: to release, add --force")


def _row(released: operating.Released) -> Iterable[object]:
    holder, name = released.holder, released.lock.name or "-"
    known = ("-", name, "-", "-")
    if holder is not None:
        known = (holder.task or "-", name, holder.state, holder.owner)
    return (*known, released.outcome, _reason(released))


def _reason(released: operating.Released) -> str:
    """Return the reason, with what to do about it."""
    holder = released.holder
    if holder is None or not released.needs_running:
        return released.reason
    ended = "" if holder.state == "called" else "; --revoke ends its task, too"
    return f"{released.reason}: add --running to take its lock away{ended}"
