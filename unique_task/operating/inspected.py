"""What a worker tells of its unique tasks: leases, waiting calls, version, stores.

A task runs in a child of the worker, which keeps its lease. Its parent process, which
answers, knows the tasks that run, and reads in the store what they hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from celery import Celery
from celery.worker import state

from ..backends.steps import Held
from ..exceptions import ConfigurationError, LockStoreError
from ..options.guarded_class import guarded_class_of
from ..running.locks_of_requests import LockOfRequest, lock_of_request
from ..waiting.step import step_of
from .about import about, digest
from .app_tasks import stores_of

#: Leases, and keys that calls wait for, that an answer has at most.
MOST = 100

#: Seconds for which the stores are read at most; the worker does nothing else then. An
#: operation that has begun has its own time.
_PATIENCE = 0.5


def inspected(app: Celery, hostname: str) -> dict[str, Any]:
    """Return what the worker of that name tells, as plain data.

    Of a task that holds no lock now, ``remaining`` is None: it is about to get it, has
    lost it, or runs without.
    """
    own = about(app, time.time)
    running = sorted(_running(), key=lambda request: request.time_start or 0.0)
    reader = _Reader(time.monotonic)
    leases = [_lease(request, reader) for request in running[:MOST]]
    step = step_of(hostname)
    waiting = [] if step is None else step.report()
    waiting.sort(key=lambda line: line["since"])
    return {
        "version": own["version"],
        "stores": _fingerprints(app),
        "keys": digest(repr(_key_rules(own["tasks"]))),
        "leases": leases,
        "waiting": waiting[:MOST],
        # Beyond those that are listed.
        "more": {
            "leases": len(running) - len(leases),
            "waiting": max(0, len(waiting) - MOST),
        },
        "errors": reader.errors,
    }


def _fingerprints(app: Celery) -> dict[str, str]:
    try:
        return {store.name: store.fingerprint for store in stores_of(app).values()}
    except ConfigurationError:  # it has no unique task
        return {}


def _key_rules(tasks: Mapping[str, Mapping[str, str]]) -> list[tuple[str, ...]]:
    return [(name, one["key"], one["code"]) for name, one in sorted(tasks.items())]


def _running() -> Iterator[Any]:
    """Yield the requests of the unique tasks that run in this worker."""
    for request in list(state.active_requests):
        if guarded_class_of(request.task) is not None:
            yield request


class _Reader:
    """Reads what requests hold, as long as the stores answer in time.

    Attributes:
        errors: why something could not be read, once each.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self.errors: list[str] = []
        self._away: set[str] = set()
        self._timer = timer
        self._end = timer() + _PATIENCE

    def lock(self, request: Any) -> LockOfRequest | None:
        try:
            return lock_of_request(request)
        except Exception as error:  # of the key's callable, among others
            self._note(f"{request.task.name}: {type(error).__name__}: {error}")
            return None

    def holders(self, lock: LockOfRequest) -> Sequence[Held]:
        """Return what the task holds; nothing if that cannot be read."""
        name = lock.backend.name
        if name in self._away:
            return ()
        if self._timer() > self._end:
            self._note(f"{name}: it is slow, so not all leases were read")
            return ()
        try:
            return lock.own_holders()
        except LockStoreError as error:
            self._away.add(name)
            self._note(str(error))
            return ()

    def _note(self, error: str) -> None:
        if error not in self.errors:
            self.errors.append(error)


def _lease(request: Any, reader: _Reader) -> dict[str, Any]:
    lock = reader.lock(request)
    held = next(iter(reader.holders(lock)), None) if lock is not None else None
    return {
        "task": request.task.name,
        "owner": str(request.id),
        "key": None if lock is None else lock.key,
        "since": None if held is None else held.record.since,
        "remaining": None if held is None else held.remaining,
        "pid": request.worker_pid,
    }
