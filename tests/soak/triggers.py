"""What is triggered in a soak, and what became of it."""

import json
import time
from collections.abc import Iterable
from random import Random
from typing import Any

from celery import states

from tests.servers import RedisServer
from tests.soak.app import run_or_not, run_surely

KEYS = [f"{number:02}" for number in range(20)]

#: Tasks that may be under way: all keys are fought for, and the rest ends in time.
MOST = 50

#: Shares of the tasks: those that may be ignored, and those that outlive their lease.
IGNORABLE = 0.35
LONG = 0.05


class Triggers:
    """Sends tasks, each with an id of its own.

    Attributes:
        sent: ids, and whether each has to run.
    """

    def __init__(self, seed: int, lease: float, results: RedisServer) -> None:
        self.sent: dict[str, bool] = {}
        self._random = Random(f"{seed} triggers")
        self._lease = lease
        self._results = results
        self._under_way: set[str] = set()

    def send_some(self) -> None:
        """Send as many as fit in, and rest for a moment."""
        for _ in range(min(5, MOST - len(self.under_way()))):
            self._send()
        time.sleep(self._random.uniform(0.05, 0.3))

    def under_way(self) -> set[str]:
        """The ids of the tasks that have no outcome."""
        found = self.outcomes(self._under_way)
        self._under_way = {
            task_id
            for task_id in self._under_way
            if found.get(task_id, {}).get("status") not in states.READY_STATES
        }
        return self._under_way

    def outcomes(self, task_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What is stored as the results of those tasks that have any."""
        ids = list(task_ids)
        if not ids:
            return {}
        keys = [f"celery-task-meta-{task_id}" for task_id in ids]
        texts: Any = self._results.client.mget(keys)
        return {id: json.loads(text) for id, text in zip(ids, texts) if text}

    def _send(self) -> None:
        random = self._random
        sure = random.random() >= IGNORABLE
        seconds = random.uniform(0.05, 0.7)
        if random.random() < LONG:
            seconds = self._lease * random.uniform(1.1, 1.4)
        task = run_surely if sure else run_or_not
        task_id = task.delay(random.choice(KEYS), seconds).id
        self.sent[task_id] = sure
        self._under_way.add(task_id)
