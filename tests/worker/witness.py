"""A witness of what ran when: in a Redis database where no lock lives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from tests.waiting import wait_until


class Witness:
    """Notes what tasks do, in the order in which it happened for all of them.

    Its gates are what a task waits for until the test has seen what it came for.
    """

    def __init__(self, url: str) -> None:
        self._client: Any = Redis.from_url(url, decode_responses=True)

    def close(self) -> None:
        self._client.close()

    def note(self, subject: str, text: str = "") -> None:
        self._client.rpush(subject, text)

    def noted(self, subject: str) -> list[str]:
        """All notes on `subject`, the oldest first."""
        notes: list[str] = self._client.lrange(subject, 0, -1)
        return notes

    @contextmanager
    def running(self, key: str) -> Iterator[None]:
        """Note the start and the end of a run."""
        self.note(f"run {key}", "start")
        try:
            yield
        finally:
            self.note(f"run {key}", "end")

    def runs(self, key: str) -> int:
        """How many runs of `key` have started."""
        return self.noted(f"run {key}").count("start")

    def most_at_once(self, key: str) -> int:
        """The largest number of runs of `key` that were under way at one time."""
        running, most = 0, 0
        for event in self.noted(f"run {key}"):
            running += 1 if event == "start" else -1
            most = max(most, running)
        return most

    def arrived(self, task_id: str) -> None:
        self.note(f"arrivals {task_id}")
        self._client.incr("under way")

    def ended(self, task_id: str, state: str) -> None:
        self.note(f"states {task_id}", state)
        self._client.decr("under way")

    def wait_until_idle(self) -> None:
        """Return when each task that has arrived has ended."""
        wait_until(lambda: int(self._client.get("under way") or 0) == 0)

    def arrivals(self, task_id: str) -> int:
        """How often a worker began with a task, before its guard was asked."""
        return len(self.noted(f"arrivals {task_id}"))

    def states(self, task_id: str) -> list[str]:
        """The state in which Celery saw each arrival of a task end."""
        return self.noted(f"states {task_id}")

    def waits(self, task_id: str) -> int:
        """How often a task arrived and came back later, by itself or by the guard."""
        states = self.states(task_id)
        return states.count("RETRY") + states.count("IGNORED")

    def open(self, gate: str) -> None:
        self._client.set(f"gate {gate}", "open")

    def wait_at(self, gate: str) -> None:
        """Return when the gate is open; it stays so."""
        wait_until(lambda: self._client.exists(f"gate {gate}"), timeout=400)
