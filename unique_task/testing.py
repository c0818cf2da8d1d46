"""Tests of a project with guarded tasks: locks of their own, and calls made duplicates.

With pytest, these are fixtures and a marker; see :mod:`unique_task.pytest_plugin`. They
hold for all apps of the process, in each of its threads: not for workers in others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from celery import Task

from .backends.memory import MemoryBackend
from .backends.record import Record, Token
from .backends.steps import Acquired, Held
from .exceptions import ConfigurationError
from .operating.app_tasks import Call
from .options.in_tests import SharedStoreWarning, in_tests
from .signals import task_duplicate

__all__ = ["FreshStore", "SeenDuplicate", "SharedStoreWarning", "fresh_store", "guards"]

#: Seconds for which a call is held: longer than any test.
_LONG = 86400.0


@dataclass(frozen=True)
class SeenDuplicate:
    """A duplicate that a test has caused.

    Attributes:
        task: name of the task.
        key: digest that both calls share.
        owner: id of the task that held the key; None for a value of an earlier run.
        task_id: of the duplicate; None for a direct call.
        outcome: ``dropped``, ``answered``, ``waits``, ``failed`` or ``replaced``.
        at: where it met the lock: ``publish``, ``run`` or ``call``.
    """

    task: str
    key: str
    owner: str | None
    task_id: str | None
    outcome: str
    at: str


@dataclass(eq=False)
class FreshStore:
    """A store in memory that all guarded tasks use while a test runs.

    Attributes:
        backend: the store itself.
    """

    backend: MemoryBackend = field(default_factory=MemoryBackend)
    _seen: list[SeenDuplicate] = field(default_factory=list)

    @contextmanager
    def hold(self, task: Task, /, *args: Any, **kwargs: Any) -> Iterator[str]:
        """Hold the key of a call, as if another run of it went on.

        Yields:
            The id of the task that seems to run.

        Raises:
            UnknownCallError: if the task has no ``@unique``, or the arguments do not
                fit it.
            ConfigurationError: if the key is held already.
        """
        call = Call.of(task.app, task.name, args, kwargs)
        owner = f"held-{uuid4()}"
        with ExitStack() as held:
            for name, places in _names(call):
                for _ in range(places):
                    self._take(call, name, places, owner, held)
            yield owner

    def _take(
        self, call: Call, name: str, limit: int, owner: str, held: ExitStack
    ) -> None:
        record = Record(Token.of_attempt(owner), task=call.task.name, worker="test")
        answer = self.backend.acquire(name, record, _LONG, limit=limit)
        if not isinstance(answer, Acquired):
            assert isinstance(answer, Held)
            raise ConfigurationError(
                f"hold({call.task.name}, ...): {answer.record.owner} holds the key "
                "already"
            )
        held.callback(self.backend.release, name, record.token, limit=limit)

    def duplicates(self, task: Task) -> list[SeenDuplicate]:
        """Return the duplicates of a task since the test has this store, in order."""
        return [one for one in self._seen if one.task == task.name]

    def _note(self, sender: Any, *, signal: Any = None, **known: Any) -> None:
        if in_tests.store is self.backend:  # and not another one inside of it
            self._seen.append(SeenDuplicate(sender.name, **known))


def _names(call: Call) -> list[tuple[str, int]]:
    """Return the locks that make a call a duplicate, and how many may hold each."""
    lock, key = call.plan.lock, call.key
    names = {key: lock.run_limit(call.limit)}
    if lock.taken_at_publish:
        names[lock.reservation_name(key)] = lock.reservation_limit(call.limit)
    return list(names.items())


@contextmanager
def fresh_store() -> Iterator[FreshStore]:
    """Let all guarded tasks take their locks in a fresh store in memory.

    Whatever the settings and the options of tasks say. At the end, all is as before.

    Example::

        with fresh_store() as store, store.hold(charge, 7):
            charge.delay(7)
        assert len(store.duplicates(charge)) == 1
    """
    store, before = FreshStore(), in_tests.store
    in_tests.store = store.backend
    # Celery 5.3 takes the methods of two stores for one receiver.
    uid = f"unique_task.testing.{id(store)}"
    task_duplicate.connect(store._note, weak=False, dispatch_uid=uid)
    try:
        yield store
    finally:
        task_duplicate.disconnect(dispatch_uid=uid)
        in_tests.store = before


@contextmanager
def guards(enabled: bool) -> Iterator[None]:
    """Switch all guards on or off, whatever ``unique_enabled`` says."""
    before, in_tests.enabled = in_tests.enabled, enabled
    try:
        yield
    finally:
        in_tests.enabled = before
