"""Checks of the options of tasks against each other, and against the broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Task
from celery.backends.rpc import RPCBackend

from ..backends.findings import Finding, Level
from ..options.plan import Plan
from ..options.policies import Cached, Wait, shares_result
from .broker import Broker

#: Names of tasks in one line; programs that need all of them ask for one task each.
_MOST = 8


@dataclass(frozen=True)
class Guarded:
    """A task with the plan of its calls."""

    task: Task
    plan: Plan

    @property
    def time_limit(self) -> float | None:
        """Seconds after which its process is killed; None without a limit."""
        own: Any = self.task
        limit: float | None = own.time_limit or own.app.conf.task_time_limit
        return limit

    @property
    def longest_wait(self) -> float:
        """Seconds that one of its messages may wait at most for a lock."""
        policies = (self.plan.publish_policy, self.plan.run_policy)
        waits = [Wait() if isinstance(p, Cached) else p for p in policies]
        return max((w.maximum for w in waits if isinstance(w, Wait)), default=0)


def examine_tasks(guarded: Sequence[Guarded], broker: Broker) -> Iterator[Finding]:
    """Yield what is found of the options of tasks."""
    yield _waits(guarded, broker)
    yield _time_limits(guarded, broker)
    yield _run_expire(guarded)
    yield _message_expire(guarded)
    yield _acks_late(guarded)
    yield _results(guarded)


def _waits(guarded: Sequence[Guarded], broker: Broker) -> Finding:
    longest = max((one.longest_wait for one in guarded), default=0)
    if broker.visibility is None:
        return _by_no_clock("waits", broker, f"calls wait for {longest:g} s at most")
    limit = broker.visibility
    return _found(
        "waits",
        [one for one in guarded if one.longest_wait >= limit],
        f"a call may wait {longest:g} s for its lock, and the broker delivers its "
        f"message again after {limit:g} s",
        f"use retry(maximum=...) below {limit:g}, or raise visibility_timeout in "
        "broker_transport_options",
        f"no call waits as long as the {limit:g} s of the visibility timeout",
    )


def _time_limits(guarded: Sequence[Guarded], broker: Broker) -> Finding:
    late = [one for one in guarded if one.task.acks_late]
    if broker.visibility is None:
        if not late:
            return Finding("time_limits", Level.OK, "no task has acks_late")
        return _by_no_clock("time_limits", broker, f"{len(late)} tasks have acks_late")
    limit = broker.visibility
    long = [one for one in late if (one.time_limit or 0) >= limit]
    unlimited = [one for one in late if not one.time_limit]
    if unlimited and not long:
        found = f"bodies without time_limit may outlive the {limit:g} s of the "
        found += f"visibility timeout: {_names(unlimited)}"
        return Finding("time_limits", Level.UNKNOWN, found, "give them a time_limit")
    return _found(
        "time_limits",
        long,
        f"a body with acks_late may run longer than {limit:g} s, and its message comes "
        "again meanwhile, to wait for its end",
        "raise visibility_timeout in broker_transport_options above their time_limit",
        f"messages are acknowledged within the {limit:g} s of the visibility timeout",
    )


def _by_no_clock(name: str, broker: Broker, what: str) -> Finding:
    if broker.keeps:
        found = "the broker delivers no message again because of its age"
        return Finding(name, Level.OK, found)
    if broker.kind == "amqp":
        found = f"{what}; RabbitMQ closes a channel whose messages are older than its "
        found += "consumer_timeout (30 minutes if not set), which it does not tell"
        advice = "have consumer_timeout above the time of a wait, and of a run"
        return Finding(name, Level.UNKNOWN, found, advice)
    found = f"{what}; when a broker of the kind {broker.kind} delivers again is unknown"
    return Finding(name, Level.UNKNOWN, found)


def _run_expire(guarded: Sequence[Guarded]) -> Finding:
    fixed = [one for one in guarded if not one.plan.renew]
    long = [one for one in fixed if (one.time_limit or 0) > one.plan.expire]
    unlimited = [one for one in fixed if not one.time_limit]
    if unlimited and not long:
        found = "renew is False without time_limit: a body that outlives expire is not "
        found += f"alone any more: {_names(unlimited)}"
        return Finding("run_expire", Level.UNKNOWN, found, "give them a time_limit")
    return _found(
        "run_expire",
        long,
        "renew is False and time_limit is above expire: the lock ends while the body "
        "runs",
        "set expire above time_limit, or leave renew True",
        "no lock ends before the body under it",
    )


def _message_expire(guarded: Sequence[Guarded]) -> Finding:
    return _found(
        "message_expire",
        [one for one in guarded if _outlives_lock(one)],
        "expires of the task is above expire: the lock of a call ends while its "
        "message may still start",
        "set expire to the expires of the task, or above",
        "no lock ends before the expires of its message",
    )


def _outlives_lock(one: Guarded) -> bool:
    expires: Any = one.task.expires
    if isinstance(expires, timedelta):
        expires = expires.total_seconds()
    known = isinstance(expires, (int, float)) and one.plan.lock.taken_at_publish
    return known and expires > one.plan.expire


def _acks_late(guarded: Sequence[Guarded]) -> Finding:
    return _found(
        "acks_late",
        [one for one in guarded if _is_lost_with_child(one.task)],
        "acks_late without reject_on_worker_lost: a call whose process is killed, as "
        "by a system without memory, fails and does not run again",
        "set reject_on_worker_lost, or task_reject_on_worker_lost",
        "no call with acks_late is lost with its process",
    )


def _is_lost_with_child(task: Any) -> bool:
    return bool(task.acks_late and not task.reject_on_worker_lost)


def _results(guarded: Sequence[Guarded]) -> Finding:
    return _found(
        "results",
        [one for one in guarded if _cannot_share(one)],
        "rpc:// cannot share a result: the caller of a duplicate gets an error in "
        "place of the holder's result",
        "use another result_backend, or set ignore_result",
        "callers of duplicates get the results that they ask for",
    )


def _cannot_share(one: Guarded) -> bool:
    """Tell whether the caller of a duplicate would get a result that never comes."""
    if one.task.ignore_result or not isinstance(one.task.backend, RPCBackend):
        return False
    return one.plan.lock.taken_at_publish and shares_result(one.plan.publish_policy)


def _found(
    name: str, concerned: Sequence[Guarded], found: str, advice: str, good: str
) -> Finding:
    """Return a warning of these tasks, or that all is good if there are none."""
    if not concerned:
        return Finding(name, Level.OK, good)
    return Finding(name, Level.WARN, f"{found}: {_names(concerned)}", advice)


def _names(guarded: Sequence[Guarded]) -> str:
    names = sorted(str(one.task.name) for one in guarded)
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
