"""What ``watch`` prints, again and again: what is held, and how much happens."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import click
from celery import Celery

from .. import operating
from ..pages.columns import columns_of
from ..pages.rates import LATELY
from ..pages.words import ago, shown
from .counting import wanted
from .found import Found
from .output import Away, table


def watch_locks(app: Celery, task: str, interval: float, count: int | None) -> None:
    """Print the state of the locks until Ctrl-C, or so many times.

    On a terminal, each time takes the place of the one before.
    """
    with suppress(KeyboardInterrupt):
        while True:
            began = time.monotonic()
            missing = _print_round(app, task)
            count = count and count - 1
            if count == 0:
                break
            # Of many locks, a store must not be asked all the time.
            time.sleep(max(interval, time.monotonic() - began))
        if missing:
            raise Away(missing[0])


def _print_round(app: Celery, task: str) -> list[str]:
    """Print the state of the locks; return what is missing.

    It is printed at once when all is known: on a terminal, nothing may flicker.
    """
    locks = Found(operating.locks(app, operating.Wanted(task=task), timeout=0))
    counters = Found(operating.counters(app, LATELY))
    stores = (f"store: {shown(store)}" for store in operating.stores(app))
    lines = [*stores, _held(locks), *_rates(counters, task)]
    missing = list(dict.fromkeys(locks.missing + counters.missing))
    if sys.stdout.isatty():
        click.clear()
    click.echo("\n".join([*lines, *(shown(f"missing: {text}") for text in missing)]))
    return missing


def _held(found: Found[operating.Lock]) -> str:
    """Return how many hold locks, by state, and who has done so for longest."""
    states: Counter[str] = Counter()
    oldest: operating.Holder | None = None
    for lock in found:
        for holder in lock.holders:
            states[holder.state] += 1
            if oldest is None or _since(holder) < _since(oldest):
                oldest = holder
    if oldest is None:
        return found.nothing("held: nothing")
    counts = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    first = f"{oldest.task} {oldest.owner}, {ago(oldest.since)}"
    return shown(f"held: {counts}; the first: {first}")


def _since(holder: operating.Holder) -> float:
    # Where a store has no clock, nobody knows.
    return time.time() if holder.since is None else holder.since


def _rates(found: Found[operating.Counters], task: str) -> Iterator[str]:
    counters = wanted(found, task)
    columns = columns_of(counters)
    yield f"a minute, in the last {LATELY}:"
    head = ["TASK", *(column.head for column in columns)]
    yield from table(
        head, ((one.task, *(c.rate(one) for c in columns)) for one in counters)
    )
