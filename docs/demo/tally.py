"""Counts how the calls of one task end: as its worker reports, as its callers see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import sample
from typing import Any

from celery import Task, states
from celery.result import AsyncResult
from witness import Event

from unique_task import DuplicateTaskError

PUBLISHERS = ["web-1", "web-2", "web-3", "web-4"]

# Random, because the invoices of an earlier run may still be cached.
ORDERS = sample(range(1000, 10000), 2)

#: What each publisher triggers, without a pause.
CLICKS = [ORDERS[0], ORDERS[1], ORDERS[0]]

TRIGGERED = len(PUBLISHERS) * len(CLICKS)

OUTCOMES = ["ran", "ignored", "skipped", "cached", "failed"]

#: Celery's state of a call that did not run -> the word for it.
ENDS = {states.REVOKED: "IGNORED", states.SUCCESS: "SKIPPED", states.FAILURE: "FAILED"}

NO_GUARD = "no guard"


@dataclass(frozen=True)
class Scene:
    """A task, its policy, and how a duplicate ends: as outcome and in words."""

    task: Task[Any, Any]
    policy: str
    outcome: str
    text: str

    @property
    def name(self) -> str:
        return self.task.name.rpartition(".")[2]


@dataclass
class Tally:
    """Counts one scene: what the worker reports, and what the callers get."""

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
        """Count `event`; return the two parts of the line to print, or None."""
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
        state: str = result.state
        value = result.result
        if state == states.SUCCESS and result.id in self.ran:
            return "ran"
        if state == states.SUCCESS and value in [None, *values]:
            return "skipped" if value is None else "cached"
        if isinstance(value, DuplicateTaskError):
            return "failed"
        return "ignored" if state == states.REVOKED else f"lost ({state})"

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        expected = Counter({"ran": len(self.ran)})
        expected[self.scene.outcome] += TRIGGERED - len(self.ran)
        if self.outcomes != expected or len(set(self.ran)) < len(self.ran):
            yield f"{len(self.ran)} ran, but the callers got {dict(self.outcomes)}"
        if self.orders != set(ORDERS):
            yield f"only these orders ran: {self.orders}"
        if self.scene.policy != NO_GUARD and self.overlaps:
            yield f"{self.overlaps} runs began beside another"
        if self.scene.policy != NO_GUARD and self.holders != self.ran:
            yield "a run had no lock"

    def row(self) -> list[str]:
        ends = [self.outcomes[outcome] for outcome in OUTCOMES[1:]]
        counts = [TRIGGERED, len(self.ran), *ends, len(self.came_back), self.overlaps]
        first = [short(holder) for holder in self.holders[:2]] or ["nobody"]
        more = [f"+{len(self.holders) - 2}"] if self.holders[2:] else []
        return [
            *(self.scene.name, self.scene.policy),
            *map(str, counts),
            " ".join(first + more),
        ]


def short(task_id: str) -> str:
    return task_id.partition("-")[0]
