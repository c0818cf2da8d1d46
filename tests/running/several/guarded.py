"""A guarded task of which several may run at once, and who holds its key."""

from typing import Any

from tests.inprocess import Gate
from tests.published_calls import key_of
from unique_task import MemoryBackend, retry, unique
from unique_task.options.lock_types import LOCK_TYPES

LOCKS = list(LOCK_TYPES)
SOON = retry(countdown=0.05, maximum=0.1)


class Guarded:
    """Makes a task ``work(item)`` with one key, which waits at the gate.

    Attributes:
        runs: the items of the bodies that have started.
    """

    def __init__(self, app: Any, gate: Gate, store: MemoryBackend) -> None:
        self._app = app
        self._gate = gate
        self._store = store
        self.runs: list[Any] = []

    def __call__(self, acks_late: bool = False, **options: Any) -> Any:
        guard: Any = unique(
            **{"key": (), "backend": self._store, "limit": 2, **options}
        )

        def work(item: Any = 1) -> Any:
            self.runs.append(item)
            self._gate.hold()
            return item

        return self._app.task(name="several", acks_late=acks_late)(guard(work))


def holders(store: MemoryBackend, task: Any, more: str = "") -> list[str]:
    """Return who holds the key of the task, sorted."""
    return sorted(held.record.owner for held in store.holders(key_of(task) + more))
