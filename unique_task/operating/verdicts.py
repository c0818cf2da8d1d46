"""Judges whether holders are alive, dead, or unknown; it never guesses.

What can be seen of the process counts first. Else the workers are asked: whether they
have the task, and whether they, on the same machine, can see the process. Else the one
that the record names may say that it does not have the task. It may be another one of
the same name, as while a deploy replaces the old one, which still ends its tasks: a
lease that was renewed a moment ago is not dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from celery import Celery

from ..leases.process import is_alive, is_gone, is_stopped
from ..options.plan import Plan
from .app_tasks import plan_of_task
from .holders import ALIVE, DEAD, UNKNOWN, Holder, Lock
from .workers import Answers, Workers

#: A lease is renewed when a third of it is over. After half of it, its worker is late.
_RENEWED = 1 / 2

#: The inspect command that asks workers which processes live. A wire format.
PROCESSES = "unique_task_processes"


def judged(app: Celery, locks: Sequence[Lock], workers: Workers) -> list[Lock]:
    """Return `locks` with verdicts; the workers are asked twice at most."""
    verdicts, open_ones = {}, []
    for lock in locks:
        for holder in lock.holders:
            seen = _by_record(app, lock, holder)
            verdicts[holder.token] = seen or holder
            if seen is None:
                open_ones.append(holder)
    if open_ones:
        verdicts |= _by_workers(app, open_ones, workers)
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
    if is_stopped(holder.process):
        reason = "its process lives, but is stopped (SIGCONT lets it go on)"
        return holder.judged(ALIVE, reason)
    if is_alive(holder.process):
        return holder.judged(ALIVE, "its process lives")
    return None


def _ends_by_time(plan: Plan, lock: Lock) -> bool:
    key = lock.key or ""
    return plan.lock.ends_by_time and plan.lock.reservation_name(key) == lock.name


def _by_workers(
    app: Celery, holders: Sequence[Holder], workers: Workers
) -> dict[str, Holder]:
    """Judge holders by what the workers answer; return them by their tokens."""
    owners = sorted({holder.owner for holder in holders})
    answers = workers.ask("query_task", ids=owners)
    verdicts = {one.token: _who_has(one, answers) or one for one in holders}
    others = [one for one in holders if verdicts[one.token] is one]
    seen = _seen_processes(others, workers)
    for holder in others:
        verdicts[holder.token] = _by_answers(app, holder, answers, seen)
    return verdicts


def _who_has(holder: Holder, answers: Answers) -> Holder | None:
    for node, answer in answers.replies:
        if isinstance(answer, dict) and holder.owner in answer:
            return holder.judged(ALIVE, f"{node} has its task")
    return None


def _seen_processes(
    holders: Sequence[Holder], workers: Workers
) -> dict[str, tuple[str, bool]]:
    """Return which processes live, by their names, each with the node that sees it."""
    running = [holder for holder in holders if holder.state != "pending"]
    names = sorted({holder.process for holder in running if holder.process})
    if not names:
        return {}
    replies = workers.ask(PROCESSES, processes=names).replies
    return {
        name: (node, lives)
        for node, answer in replies
        # A worker of an older version, or of another project, answers with an error.
        if isinstance(answer, dict)
        for name, lives in answer.items()
        if isinstance(lives, bool)
    }


def _by_answers(
    app: Celery, holder: Holder, answers: Answers, seen: Mapping[str, tuple[str, bool]]
) -> Holder:
    """Judge a holder whose task no worker has."""
    if holder.state == "pending":
        return holder.judged(UNKNOWN, "its message may wait in a queue")
    if holder.process in seen:
        node, lives = seen[holder.process]
        if lives:
            return holder.judged(ALIVE, f"its process lives, says {node}")
        return holder.judged(DEAD, f"its process is gone, says {node}")
    if answers.missing is not None:
        return holder.judged(UNKNOWN, f"workers: {answers.missing.reason}")
    if holder.state == "called":
        return holder.judged(UNKNOWN, "no worker can see its process")
    if not any(isinstance(answer, dict) for answer in answers.of(holder.worker)):
        return holder.judged(UNKNOWN, f"{holder.worker} does not answer")
    return _not_had(app, holder)


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
