"""A worker is killed while it holds a lock, and the next call of the key runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from tests.docs.pictures.stage import Stage, lock_left, new_key, send
from tests.waiting import wait_until
from tests.worker.tasks_pictured import charge
from unique_task import retry

#: Longer than anybody looks on.
FOR_EVER = 3600.0

#: When it was asked, and the seconds that the lock stood from then on.
Left = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """How it goes on; times are in seconds.

    Attributes:
        lease: of the worker that is killed.
        renewals: that are seen before.
        step: from the last of them to the kill, and from that to the next call.
        pause: before that call asks again.
    """

    lease: float = 15
    renewals: int = 2
    step: float = 1.5
    pause: float = 1


@dataclass(frozen=True)
class Crash:
    """What a run has shown; times are seconds since the first publish.

    Attributes:
        lease: of the worker that is killed.
        begins: the body that is killed.
        killed: the worker of that body, with all its processes.
        left: seconds that the lock of that body stood: before and after each renewal.
        sent: when another call of the key was sent.
        asks: when that call met the lock.
        runs: from when to when its body ran.
    """

    lease: float
    begins: float
    killed: float
    left: list[Left]
    sent: float
    asks: list[float]
    runs: tuple[float, float]

    @property
    def lease_ends(self) -> float:
        return sum(self.left[-1])


def play(stage: Stage, killed: str, other: str, plan: Plan) -> Crash:
    """Kill a worker in the middle of a lease, and call its key in another one."""
    key = new_key()
    stage.witness.open(key)
    first = send(charge, killed, key, 1, FOR_EVER)
    wait_until(lambda: stage.moments(key, "begins"))
    left: list[Left] = []
    _look_at(key, left, until=lambda: _renewals(left) >= plan.renewals)
    seen = time.monotonic() + plan.step
    _look_at(key, left, until=lambda: time.monotonic() > seen)
    stage.workers[killed].kill()
    dead = time.time()
    time.sleep(plan.step)
    waits = {"unique": {"on_duplicate": retry(countdown=plan.pause)}}
    sent = send(charge, other, key, 2, 2.5 * plan.step, **waits)
    _look_at(key, left, until=lambda: 2 in stage.moments(key, "begins"))
    wait_until(lambda: 2 in stage.moments(key, "ends"))

    begins, ends = (stage.moments(key, what) for what in ("begins", "ends"))
    return Crash(
        lease=plan.lease,
        begins=begins[1] - first,
        killed=dead - first,
        left=[(at - first, seconds) for at, seconds in _corners(left)],
        sent=sent - first,
        asks=[at - first for at in stage.refusals(key, 2)],
        runs=(begins[2] - first, ends[2] - first),
    )


def _look_at(key: str, left: list[Left], until: Callable[[], object]) -> None:
    """Note how long the lock of the first run stands, while it does."""

    def look() -> object:
        at = time.time()
        seconds = lock_left(charge, key, 1)
        if seconds is not None:
            left.append((at, seconds))
        return until()

    wait_until(look, timeout=90)


def _renewals(left: list[Left]) -> int:
    return sum(after[1] > before[1] for before, after in pairwise(left))


def _corners(left: list[Left]) -> list[Left]:
    """Leave out what is on a straight line between two others."""
    jumps = [pair for pair in pairwise(left) if pair[1][1] > pair[0][1]]
    return [left[0], *(end for jump in jumps for end in jump), left[-1]]
