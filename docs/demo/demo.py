"""Watch duplicates of tasks being ignored, skipped, answered, put off and refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import sample
from tempfile import TemporaryDirectory
from typing import Any

import click
import shop
from celery import Task, states
from celery.contrib.testing.worker import start_worker
from celery.exceptions import TimeoutError
from celery.result import AsyncResult
from redis import Redis, RedisError
from witness import FILE, Event, Testimony

from unique_task import DuplicateTaskError

PUBLISHERS = ["web-1", "web-2", "web-3", "web-4"]

# Others than those of an earlier run, whose invoices may still be cached.
ORDERS = sample(range(1000, 10000), 2)

#: What each publisher triggers, without a pause.
CLICKS = [ORDERS[0], ORDERS[1], ORDERS[0]]

TRIGGERED = len(PUBLISHERS) * len(CLICKS)

#: Seconds after which an answer that is missing is lost.
PATIENCE = 10.0

OUTCOMES = ["ran", "ignored", "skipped", "cached", "failed"]

#: What Celery's states say of a call that did not run.
ENDS = {states.IGNORED: "IGNORED", states.SUCCESS: "SKIPPED", states.FAILURE: "FAILED"}

COLUMNS = [
    *("task", "policy", "triggered", *OUTCOMES),
    *("came back", "overlaps", "lock held by"),
]

LEGEND = """\
ran, ignored, skipped, cached, failed: how each call ended for its caller; cached is that
it got the value of a run, failed that it got DuplicateTaskError. came back: calls that
had to come back later, before they ended so. overlaps: runs that began while another one
worked at the same order. lock held by: ids of the tasks that ran under a lock."""


@dataclass(frozen=True)
class Scene:
    """A task, its policy, and what becomes of a duplicate, as outcome and in words."""

    task: Task[Any, Any]
    policy: str
    outcome: str
    says: str

    @property
    def name(self) -> str:
        return self.task.name.rpartition(".")[2]


PLAIN = Scene(shop.charge_plain, "no guard", "ran", "every call runs, at any time")

GUARDED = [
    Scene(shop.ship, "ignore", "ignored", "a duplicate is dropped, its result REVOKED"),
    Scene(shop.notify, "skip", "skipped", "a duplicate succeeds at once with None"),
    Scene(shop.invoice, "cached", "cached", "a duplicate gets the value of the run"),
    Scene(shop.charge, "retry", "ran", "a duplicate comes back later: all run, in turn"),
    Scene(shop.refund, "raise", "failed", "a duplicate fails with DuplicateTaskError"),
]


@dataclass
class Tally:
    """Counts one scene by what the worker tells, and by what the callers got."""

    scene: Scene
    ran: list[str] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)
    orders: set[int] = field(default_factory=set)
    came_back: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    overlaps: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    _inside: Counter[int] = field(default_factory=Counter)
    _met: dict[str, str] = field(default_factory=dict)

    def note(self, event: Event) -> tuple[str, str] | None:
        """Count `event`; return what to print of it: what happened, and the rest."""
        if event.what == "began":
            return self._began(event)
        if event.what == "over":
            return self._over(event)
        if event.what == "duplicate":
            self._met[event.task_id] = event.holder or "an earlier call"
        else:
            self._inside[event.order] -= 1
        return None

    def _began(self, event: Event) -> tuple[str, str]:
        beside = self._inside[event.order]
        self._inside[event.order] += 1
        self.ran.append(event.task_id)
        self.orders.add(event.order)
        self.holders += [event.holder] if event.holder else []
        where = f"{short(event.task_id)} in {event.worker}"
        if beside:
            self.overlaps += 1
            return "OVERLAPS", f"{where}, beside {beside} more"
        return "RUNS", where

    def _over(self, event: Event) -> tuple[str, str] | None:
        task_id = event.task_id
        if event.state == states.RETRY:
            first = task_id not in self.came_back
            self.came_back.add(task_id)
            return ("LATER", self._reason(task_id)) if first else None
        self.over.add(task_id)
        if task_id in self.ran:
            return None
        if event.value is not None:
            return "CACHED", f"{short(task_id)} gets {event.value}"
        return ENDS.get(event.state or "", "LOST"), self._reason(task_id)

    def _reason(self, task_id: str) -> str:
        return f"{short(task_id)}, as {short(self._met.get(task_id, '?'))} runs"

    def answer(self, results: list[AsyncResult[Any]]) -> None:
        """Count what the callers got."""
        values = [r.result for r in results if r.id in self.ran]
        self.outcomes.update(self._outcome(result, values) for result in results)

    def _outcome(self, result: AsyncResult[Any], values: list[Any]) -> str:
        state, value = result.state, result.result
        if state == states.SUCCESS and result.id in self.ran:
            return "ran"
        if state == states.SUCCESS and value in [None, *values]:
            return "skipped" if value is None else "cached"
        if isinstance(value, DuplicateTaskError):
            return "failed"
        return "ignored" if state == states.REVOKED else f"lost ({state})"

    def faults(self) -> Iterator[str]:
        """Tell what should not be."""
        expected = Counter({"ran": len(self.ran)})
        expected[self.scene.outcome] += TRIGGERED - len(self.ran)
        if self.outcomes != expected or len(set(self.ran)) < len(self.ran):
            yield f"{len(self.ran)} ran, but the callers got {dict(self.outcomes)}"
        if self.orders != set(ORDERS):
            yield f"only these orders ran: {self.orders}"
        if self.scene is not PLAIN and self.overlaps:
            yield f"{self.overlaps} runs began beside another"
        if self.scene is not PLAIN and self.holders != self.ran:
            yield "a run had no lock"

    def row(self) -> list[str]:
        counts = [TRIGGERED, *(self.outcomes[outcome] for outcome in OUTCOMES)]
        first = [short(holder) for holder in self.holders[:2]] or ["nobody"]
        more = [f"+{len(self.holders) - 2}"] if self.holders[2:] else []
        return [
            *(self.scene.name, self.scene.policy),
            *map(str, [*counts, len(self.came_back), self.overlaps]),
            " ".join(first + more),
        ]


@click.command()
@click.option("--redis", metavar="URL", envvar="REDIS_URL", help="Use a real Redis.")
def main(redis: str | None) -> None:
    """Show what unique_task does to duplicates: here in memory, or on Redis."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "witness")
        os.environ[FILE] = str(path)
        with worker(redis, Path(folder)), closing(Testimony(path)) as testimony:
            introduce(redis)
            tallies = [play(scene, testimony) for scene in [PLAIN, *GUARDED]]
    show_table(tallies)
    faults = [f"{t.scene.name}: {fault}" for t in tallies for fault in t.faults()]
    click.echo("\n".join(["", *faults] if faults else ["", "No overlap, nothing lost."]))
    sys.exit(bool(faults))


def introduce(redis: str | None) -> None:
    where = "4 processes, with Redis" if redis else "4 threads, all in memory"
    first, second = ORDERS
    click.echo(
        f"{len(PUBLISHERS)} publishers trigger each task {TRIGGERED} times at once, for "
        f"order {first} and order {second}.\n"
        f"The worker has {where}. Each run takes 0.3 s. Calls are shown by the first "
        "letters of their id."
    )


def play(scene: Scene, testimony: Testimony) -> Tally:
    """Let the publishers trigger a task, and show what happens until all is over."""
    click.echo(f"\n@unique, {scene.policy}: {scene.says}")
    tally = Tally(scene)
    with ThreadPoolExecutor(len(PUBLISHERS)) as publishers:
        sent = list(publishers.map(lambda name: publish(scene, name), PUBLISHERS))
    return tally


def publish(scene: Scene, publisher: str) -> list[AsyncResult[Any]]:
    return [scene.task.delay(order, publisher) for order in CLICKS]
