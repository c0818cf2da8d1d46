"""What many leases, and many keys, cost one process."""

from __future__ import annotations

import gc
import mmap
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import count as numbers
from pathlib import Path
from typing import Any, NamedTuple

from celery import Celery, Task
from celery.app.trace import build_tracer
from redis import Redis

from benchmarks.measured import Measured, count
from benchmarks.row import Row, at_most
from benchmarks.stage import Stage
from benchmarks.store import record
from tests.forking import Fork
from unique_task import MemoryBackend, RedisBackend, unique
from unique_task.backends.steps import Acquired, RenewAnswer
from unique_task.leases.held_lease import HeldLease
from unique_task.leases.keeper import keeper

LEASES = 10_000
LEASE = 15.0

#: Seconds in which all leases are renewed four times.
WATCHED = 20.0

#: Keys before memory is measured, and when it is measured again.
WARM, KEYS = 100_000, 1_000_000

#: Seconds that a busy machine may take for a row.
PATIENCE = 3600.0

#: Lateness of a lease that was lost, in intervals: no renewal in time is as late.
LOST = 3.0


class Kept(NamedTuple):
    """How the leases of one process were kept.

    Attributes:
        processor: part of a core that the process used.
        late: greatest lateness of a renewal, as a part of the interval.
    """

    processor: float
    late: float


class Timed(HeldLease):
    """Notes how late each renewal was, in parts of the interval."""

    late: list[float] = []

    def renewed(self, outcome: RenewAnswer, asked_at: float) -> str | None:
        due = self._end - self.expire + self.interval
        self.late.append((time.monotonic() - due) / self.interval)
        return super().renewed(outcome, asked_at)


def _processor(stage: Stage) -> Measured:
    return count(100 * _kept(stage.locks.url).processor, "% of a core")


def _lateness(stage: Stage) -> Measured:
    return count(100 * _kept(stage.locks.url).late, "% of the interval")


@cache
def _kept(url: str) -> Kept:
    """Keep many leases in a process that does nothing else."""
    found = Fork(partial(_keep, url)).result(PATIENCE)
    Redis.from_url(url).flushall()
    return found


def _keep(url: str) -> Kept:
    backend, task = RedisBackend(url), _task(MemoryBackend())
    leases = [_lease(backend, task, f"key {number}") for number in range(LEASES)]
    time.sleep(LEASE / 3)
    Timed.late.clear()
    began, used = time.monotonic(), time.process_time()
    time.sleep(WATCHED)
    used = (time.process_time() - used) / (time.monotonic() - began)
    late = LOST if any(lease.lost for lease in leases) else max(Timed.late)
    return Kept(used, late)


def _lease(backend: RedisBackend, task: Task, key: str) -> HeldLease:
    own, asked_at = record(), time.monotonic()
    answer = backend.acquire(key, own, LEASE)
    assert isinstance(answer, Acquired)
    lock = key, key, own, answer.fence, LEASE, asked_at
    lease = Timed(task, None, own.owner, backend, *lock, renew=True)
    keeper.add(lease)
    return lease


def _task(store: MemoryBackend) -> Task:
    app = Celery("scale", set_as_current=False)
    app.conf.update(unique_backend=store, task_ignore_result=True)

    @app.task(shared=False, name="scale", lazy=False)
    @unique
    def work(number: int) -> None: ...

    found: Task = work
    return found


def _growth(stage: Stage) -> Measured:
    keys = KEYS if stage.pairs > 1 else 2 * WARM
    return count(Fork(partial(_grow, keys)).result(PATIENCE), "bytes a key")


def _grow(keys: int) -> float:
    run, more = _runs(), keys - WARM
    before = _resident(run, WARM)
    return (_resident(run, more) - before) / more


def _runs() -> Callable[[], None]:
    """Return a function that runs a task as a worker does it, with another key."""
    task = _task(MemoryBackend())
    trace = build_tracer(task.name, task, app=task.app)
    request = {"task": task.name, "hostname": "celery@host", "is_eager": False}
    number = numbers()

    def run() -> None:
        task_id = str(next(number))
        trace(task_id, [task_id], {}, {**request, "id": task_id, "ignore_result": True})

    return run


def _resident(run: Callable[[], Any], times: int) -> int:
    """Return the bytes of memory that this process has after so many runs."""
    for _ in range(times):
        run()
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


ROWS = [
    Row(f"processor time to keep {LEASES:,} leases", at_most(5), _processor),
    Row(f"latest renewal of {LEASES:,} leases", at_most(100), _lateness),
    Row(f"memory that {KEYS:,} keys leave", at_most(1), _growth),
]
