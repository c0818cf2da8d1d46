"""Keys that got stuck, each in its way, beside others whose holders live."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.waiting import wait_until
from tests.worker.operating.command import Unique
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_operated import EXECUTED, LONG, NOT_RENEWED, RENEWED
from tests.worker.witness import Witness

#: The queues of the worker on this machine, and of that on another one.
HERE, ELSEWHERE = "celery", "elsewhere"


@dataclass(frozen=True)
class Call:
    """The first call of a key, or a hold of it; it holds the key."""

    task: Any
    key: str
    owner: str

    @property
    def words(self) -> tuple[str, ...]:
        """The call, as a command is given it."""
        return self.task.name, "--args", json.dumps([self.key])

    def next(self, queue: str) -> Any:
        """Send another call of the key."""
        return self.task.apply_async((self.key, 2), queue=queue)


@dataclass
class Scene:
    """Has keys held, each by one call."""

    unique: Unique
    witness: Witness
    shelf: Shelf
    keys: list[str] = field(default_factory=list)

    def stuck(self) -> dict[str, Call]:
        """Get a key stuck in each way, as soon as the worker elsewhere is killed."""
        lost = self._queued(EXECUTED, "lost message")
        self.shelf.clear()
        return {
            "killed worker": self.running(RENEWED, "killed worker", ELSEWHERE),
            "renew=False": self.running(NOT_RENEWED, "renew=False", ELSEWHERE),
            "lost message": lost,
            "hung body": self.running(RENEWED, "hung body"),
            "foreign hold": self._held(RENEWED, "foreign hold", "ann", "migration"),
        }

    def living(self) -> dict[str, Call]:
        """Have keys held by what lives, each like one of those that are stuck."""
        return {
            "run": self.running(RENEWED, "run"),
            "run without renewals": self.running(NOT_RENEWED, "run without renewals"),
            "message": self._queued(EXECUTED, "message"),
            "hold": self._held(RENEWED, "hold", "bob", "audit"),
        }

    def running(self, task: Any, key: str, queue: str = HERE) -> Call:
        """Return when a call runs; it does so until the gate of its key is opened."""
        self.keys.append(key)
        result = task.apply_async((key, 1), queue=queue)
        wait_until(lambda: self.witness.runs(key), 60)
        return Call(task, key, result.id)

    def _queued(self, task: Any, key: str) -> Call:
        self.keys.append(key)
        return Call(task, key, self.shelf.put(task, key, 1).id)

    def _held(self, task: Any, key: str, by: str, reason: str) -> Call:
        self.keys.append(key)
        call = Call(task, key, "")
        why = ("--for", LONG, "--by", by, "--reason", reason)
        [hold] = self.unique("hold", *call.words, *why, "--json").objects
        return replace(call, owner=hold["owner"])

    def end(self) -> None:
        """Let all bodies end, those that have yet to begin, too."""
        for key in self.keys:
            self.witness.open(key)
