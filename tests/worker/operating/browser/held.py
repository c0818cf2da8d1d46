"""Locks as workers leave them in a store, written there by the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from unique_task.backends.base import Backend
from unique_task.backends.record import HELD, Record, Token
from unique_task.backends.steps import Acquired
from unique_task.leases.process import this_process

#: Seconds for which a lock stands.
LONG = 600.0

#: Names that somebody might give to a task, a worker, or a hold, to harm who reads it.
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover=alert(1) autofocus onfocus='alert(1)' x=\"",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}${alert(1)}",
    "../../locks?state=held&x=%2e%2e%2f#top",
    "shop.\u202eyap\u202c.\u2066pay\u2069",
    "shop.\x00\x07\x1b[31m\r\npay\x7f",
    "shop.\u200bpay\ufeff\u00ad",
    "shop." + "pay" * 3000,
]


def dead_process() -> str:
    """A process of this machine that has ended."""
    machine, pid, start = this_process().split("/")
    return f"{machine}/{pid}/{int(start) + 1}"


def record(task: str, owner: str = "", **fields: Any) -> Record:
    """The record of a new attempt, that this process runs if nothing else is said."""
    token = Token.of_attempt(owner or str(uuid4()))
    run = Record(token, task, worker="celery@here", process=this_process())
    return replace(run, **fields)


def take(store: Backend, record: Record, key: str = "") -> str:
    """Have `record` hold a key; return the key."""
    key = key or uuid4().hex
    taken = store.acquire(key, record, expire=LONG)
    assert isinstance(taken, Acquired)
    return key


def of_each_kind(store: Backend) -> dict[str, str]:
    """Have one lock held in each state, and by an attempt that is dead: their keys."""
    records = {
        "running": record("shop.pay"),
        "dead": record("shop.ship", process=dead_process(), worker="celery@gone"),
        "pending": record("shop.mail", state="pending", process="", worker=""),
        "called": record("shop.count", state="called"),
        "held": record("", state=HELD, by="ann", reason="migration", process=""),
    }
    return {kind: take(store, held) for kind, held in records.items()}


def hostile(store: Backend) -> Iterator[Record]:
    """Have a run and a hold under each hostile name; yield the runs."""
    for name in HOSTILE:
        run = record(name, owner=name, worker=name)
        hold = record("", f"hold {name}", state=HELD, by=name, reason=name)
        for held in (run, hold):
            take(store, held)
        yield run
