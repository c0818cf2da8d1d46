"""What goes wrong during a soak, and when: the same seed makes the same schedule."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from threading import Event

import psutil

from tests.soak.stage import CHILDREN, WORKERS, Stage


@dataclass(frozen=True)
class Step:
    """Wait `after` seconds, do `what` to the one that `whom` tells, for so `long`."""

    after: float
    what: str
    whom: tuple[int, int] = (0, 0)
    long: float = 0.0


def child_steps(seed: int, lease: float) -> Iterator[Step]:
    random = Random(f"{seed} children")
    while True:
        whom = random.randrange(WORKERS), random.randrange(CHILDREN)
        yield Step(random.uniform(0.1, 0.4) * lease, "kill child", whom)


def worker_steps(seed: int, lease: float) -> Iterator[Step]:
    random = Random(f"{seed} workers")
    while True:
        after, long = random.uniform(0.5, 2) * lease, random.uniform(0, 0.5) * lease
        yield Step(after, "kill worker", (random.randrange(WORKERS), 0), long)


def store_steps(seed: int, lease: float) -> Iterator[Step]:
    """Outages much shorter than a lease, and as far apart.

    Nobody can renew a lock in a store that is away for a whole lease, or comes back for
    a moment only: its lease ends, and another task may have it.
    """
    random = Random(f"{seed} store")
    while True:
        for what in random.sample(["pause store", "stop store", "kill store"], 3):
            after, long = random.uniform(0.5, 1), random.uniform(0.1, 0.3)
            yield Step(after * lease, what, long=long * lease)


class Chaos:
    """Follows the three schedules at one time, in a thread for each.

    Attributes:
        done: how often each kind of step was done.
        longest_outage: seconds for which the store was away; a busy machine may take
            long to start it again.
        endless: keys that the store would have kept for ever, seen before each outage.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.longest_outage = 0.0
        self.endless: set[str] = set()
        self._stage = stage
        self._over = Event()
        self._threads = ThreadPoolExecutor(3)
        self._lanes: list[Future[None]] = []
        self._schedules = [
            steps(seed, stage.lease)
            for steps in (child_steps, worker_steps, store_steps)
        ]
        self._does: dict[str, Callable[[Step], None]] = {
            "kill child": self._kill_child,
            "kill worker": self._kill_worker,
            "pause store": self._pause_store,
            "stop store": self._stop_store,
            "kill store": self._kill_store,
        }

    def __enter__(self) -> "Chaos":
        self._lanes = [
            self._threads.submit(self._follow, steps) for steps in self._schedules
        ]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Return when all that is down is up again, or at once if interrupted."""
        if kind:
            self._stage.close()
        self._over.set()
        self._threads.shutdown()
        for lane in self._lanes:
            lane.result()

    @property
    def enough(self) -> bool:
        """Whether each kind of step was done, or a schedule could not be followed.

        Of the latter the end of the block tells why.
        """
        broken = any(lane.done() for lane in self._lanes)
        return broken or self._does.keys() <= self.done.keys()

    def _follow(self, steps: Iterator[Step]) -> None:
        for step in steps:
            if self._over.wait(step.after):
                return
            self._does[step.what](step)

    def _kill_child(self, step: Step) -> None:
        worker, child = step.whom
        # The worker may be dead just now, or miss a child.
        with suppress(psutil.NoSuchProcess, ProcessLookupError, IndexError):
            children = sorted(self._stage.workers[worker].children())
            os.kill(children[child], signal.SIGKILL)
            self._note_kills(children[child : child + 1])
            self.done[step.what] += 1

    def _kill_worker(self, step: Step) -> None:
        index = step.whom[0]
        worker = self._stage.workers[index]
        with suppress(psutil.NoSuchProcess):
            children = worker.children()
            worker.kill()
            self._note_kills(children)
        self.done[step.what] += 1
        time.sleep(step.long)
        self._stage.replace_worker(index)

    def _note_kills(self, pids: list[int]) -> None:
        for pid in pids:
            self._stage.diary.note("kill", "-", pid)

    def _pause_store(self, step: Step) -> None:
        locks = self._stage.locks
        self._outage(step, locks.pause, locks.resume)

    def _stop_store(self, step: Step) -> None:
        locks = self._stage.locks
        self._outage(step, locks.stop, locks.start)

    def _kill_store(self, step: Step) -> None:
        locks = self._stage.locks
        self._outage(step, locks.kill, locks.start)

    def _outage(
        self, step: Step, begin: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self.endless.update(self._stage.endless_keys())
        began = time.monotonic()
        begin()
        time.sleep(step.long)
        end()
        self.done[step.what] += 1
        self.longest_outage = max(self.longest_outage, time.monotonic() - began)
