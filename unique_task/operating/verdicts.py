"""Judges whether holders are alive, dead, or unknown; it never guesses.

What can be seen of the process counts first. Else the worker that the record names is
asked whether it has the task. It may be another one of the same name, as while a deploy
replaces the old one, which still ends its tasks: a lease that was renewed a moment ago
is not dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery

from ..leases.process import is_alive, is_gone
from ..options.plan import Plan
from .app_tasks import plan_of_task
from .holders import ALIVE, DEAD, UNKNOWN, Holder, Lock
from .workers import Answers, Workers

#: A lease is renewed when a third of it is over. After half of it, its worker is late.
_RENEWED = 1 / 2


def judged(app: Celery, locks: Sequence[Lock], workers: Workers) -> list[Lock]:
    """Return `locks` with verdicts; the workers are asked once at most."""
    verdicts, open_ones = {}, []
    for lock in locks:
        for holder in lock.holders:
            seen = _by_record(app, lock, holder)
            verdicts[holder.token] = seen or holder
            if seen is None:
                open_ones.append(holder)
    if open_ones:
        owners = sorted({holder.owner for holder in open_ones})
        answers = workers.ask("query_task", ids=owners)
        for holder in open_ones:
            verdicts[holder.token] = _by_workers(app, holder, answers)
    return [lock.judged(verdicts) for lock in locks]


def _by_record(app: Celery, lock: Lock, holder: Holder) -> Holder | None:
    """Judge a holder by its record and its process; None if that does not decide."""
    plan = plan_of_task(app, holder.task)
    if holder.hold is not None:
        return holder.judged(ALIVE, holder.hold)
    if holder.state == "pending":
        return None
    if not holder.process and plan and _ends_by_time(plan, lock):
        return holder.judged(ALIVE, "it stands until its time is over")
    if is_gone(holder.process):
        return holder.judged(DEAD, "its process is gone")
    if is_alive(holder.process):
        return holder.judged(ALIVE, "its process lives")
    if holder.state == "called":
        return holder.judged(UNKNOWN, "its process cannot be seen from here")
    return None


def _ends_by_time(plan: Plan, lock: Lock) -> bool:
    key = lock.key or ""
    return plan.lock.ends_by_time and plan.lock.reservation_name(key) == lock.name


def _by_workers(app: Celery, holder: Holder, answers: Answers) -> Holder:
    for node, answer in answers.replies:
        if _has(answer, holder.owner):
            return holder.judged(ALIVE, f"{node} has its task")
    if holder.state == "pending":
        return holder.judged(UNKNOWN, "its message may wait in a queue")
    if answers.missing is not None:
        return holder.judged(UNKNOWN, f"workers: {answers.missing.reason}")
    if not any(isinstance(answer, dict) for answer in answers.of(holder.worker)):
        return holder.judged(UNKNOWN, f"{holder.worker} does not answer")
    return _not_had(app, holder)


def _has(answer: Any, owner: str) -> bool:
    return isinstance(answer, dict) and owner in answer


def _not_had(app: Celery, holder: Holder) -> Holder:
    """Judge a holder whose worker answers, and does not have its task."""
    plan = plan_of_task(app, holder.task)
    if plan is None or not holder.process:
        return holder.judged(UNKNOWN, f"{holder.worker} does not have its task")
    ago = plan.lease - holder.remaining
    if plan.renew and ago < plan.lease * _RENEWED:
        return holder.judged(
            UNKNOWN,
            f"{holder.worker} does not have its task, but the lease was renewed "
            f"{max(0.0, ago):.0f} s ago: look again in {plan.lease:.0f} s",
        )
    return holder.judged(DEAD, f"{holder.worker} answers and does not have its task")
