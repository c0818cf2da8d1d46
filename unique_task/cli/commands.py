"""What each command does: it calls ``unique_task.operating`` and prints the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from celery import Celery

from .. import operating
from ..pages.explained import explained_fields
from ..pages.timeline import left_behind_fields, waiting_fields
from ..pages.words import ago, duration
from .found import Found
from .output import (
    Away,
    Failed,
    echo,
    echo_fields,
    echo_json,
    echo_table,
)

#: Columns of a table of holders.
HEAD = ("TASK", "KEY", "STATE", "OWNER", "WORKER", "SINCE", "LEFT", "VERDICT")


def explain_call(
    app: Celery, task: str, args: Any, kwargs: Any, timeout: float, as_json: bool
) -> None:
    """Print what would happen to a call."""
    answer = operating.explain(app, task, args, kwargs, timeout=timeout)
    if as_json:
        echo_json(operating.as_plain(answer))
        return
    echo_fields(explained_fields(answer))
    echo_holders(answer.locks)


def show_lock(
    app: Celery,
    wanted: str,
    args: Any,
    kwargs: Any,
    timeout: float,
    as_json: bool,
) -> None:
    """Print what is known of a lock."""
    details = operating.show(app, wanted, args, kwargs, timeout=timeout)
    if not details:
        raise Failed(
            f"no task {wanted} holds a lock, and the app has none of that name"
        )
    for detail in details:
        if as_json:
            echo_json(operating.as_plain(detail))
        else:
            _echo_detail(detail)
    away = [missing for detail in details for missing in detail.away]
    if away:
        raise Away("; ".join(map(str, away)))


def list_locks(
    app: Celery, timeout: float, as_json: bool, only_keys: bool, **filters: Any
) -> None:
    """Print the locks that are held."""
    wanted = operating.Wanted(**filters)
    found = Found(operating.locks(app, wanted, timeout=timeout))
    if as_json:
        for lock in found:
            echo_json(operating.as_plain(lock))
    elif only_keys:
        for lock in found:
            echo(lock.key or "-")
    else:
        for store in operating.stores(app):
            echo("store:", store)
        echo_table(HEAD, (row for lock in found for row in _rows(lock)))
        if not found.count:
            every = wanted == operating.Wanted()
            echo(found.nothing("no lock is held" if every else "none matches"))
    found.say_what_is_missing()


def _echo_detail(detail: operating.Detail) -> None:
    if detail.away:
        return
    echo_fields([("key", detail.key or "-"), ("store", detail.store)])
    if detail.locks:
        echo_holders(detail.locks)
    else:
        echo("the lock is free")
    if detail.left_behind is not None:
        echo_fields(left_behind_fields(detail.left_behind))
    for name, value in waiting_fields(detail):
        echo(f"{name}: {value}")


def echo_holders(locks: Sequence[operating.Lock]) -> None:
    """Print a table of the holders, and why each is judged so."""
    if not locks:
        return
    echo()
    echo_table(HEAD, (row for lock in locks for row in _rows(lock)))
    echo()
    for lock in locks:
        for holder in lock.holders:
            echo(f"{holder.owner} is {holder.verdict}: {holder.reason}")


def _rows(lock: operating.Lock) -> Iterable[Sequence[object]]:
    key = lock.name or "-"
    if lock.unreadable:
        yield "-", key, "newer version", "-", "-", "-", duration(lock.remaining), "-"
    for holder in lock.holders:
        verdict = f"{holder.verdict}: {holder.hold}" if holder.hold else holder.verdict
        yield (
            *(
                holder.task or "-",
                key,
                holder.state,
                holder.owner,
                holder.worker or "-",
            ),
            *(ago(holder.since), duration(holder.remaining), verdict),
        )


def examine_app(app: Celery, timeout: float, as_json: bool, strict: bool) -> None:
    """Print what each check finds, as soon as it is known."""
    levels = []
    for finding in operating.examine(app, timeout=timeout):
        levels.append(finding.level)
        if as_json:
            echo_json(_plain(finding))
        else:
            _echo_finding(finding)
    failed, warned = map(levels.count, (operating.Level.FAIL, operating.Level.WARN))
    if failed or (strict and warned):
        raise Failed(f"{failed} checks fail, {warned} warn")


def _plain(finding: operating.Finding) -> dict[str, Any]:
    values = operating.as_plain(finding)
    return {
        name: values[name] for name in ("name", "level", "where", "found", "advice")
    }


def _echo_finding(finding: operating.Finding) -> None:
    place = f"{finding.where}: " if finding.where else ""
    echo(f"{finding.level.value:<8} {finding.name:<15} {place}{finding.found}")
    for line in finding.advice.splitlines():
        echo(f"{'':<24} {line}")
