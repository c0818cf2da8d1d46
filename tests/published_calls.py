"""What is published in the test process, and who holds the locks of that."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery, signals

from unique_task import MemoryBackend, unique
from unique_task.options.guarded_class import GUARDED
from unique_task.publishing.send_options import seconds_to

#: Its lock is held from publish to the end of the task.
ONE = unique(lock="until_executed")


def task_of(app: Any, guard: Any = ONE, name: str = "work", **options: Any) -> Any:
    """Make a guarded task ``work(item=1, note="")`` that does nothing."""

    def work(item: Any = 1, note: str = "") -> None: ...

    return app.task(name=name, **options)(guard(work))


class ForOne(MemoryBackend):
    """A store that keeps one holder for each key."""

    promises = replace(MemoryBackend.promises, several_holders=False)


@dataclass
class Message:
    """A message that went to the broker."""

    name: str
    headers: dict[str, Any]
    body: Any

    @property
    def id(self) -> str:
        return str(self.headers["id"])

    @property
    def lock(self) -> Any:
        """What it says of its lock; None if nothing."""
        return self.headers.get("unique_task_lock")


class Sent(list[Message]):
    """The messages that were sent, in their order."""

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self]

    @property
    def last(self) -> Message:
        return self[-1]

    def of(self, task_id: str) -> list[Message]:
        """All that were sent of one task, the first first."""
        return [message for message in self if message.id == task_id]


@contextmanager
def noted() -> Iterator[Sent]:
    """Note the messages that are sent meanwhile."""
    sent = Sent()

    def note(sender: str, headers: Any, body: Any, **_: Any) -> None:
        sent.append(Message(sender, headers, body))

    signals.after_task_publish.connect(note, weak=False)
    try:
        yield sent
    finally:
        signals.after_task_publish.disconnect(note)


def key_of(task: Any, *args: Any, **kwargs: Any) -> str:
    """Return the key of a call."""
    return str(getattr(task, GUARDED).spec.digest(task, args, kwargs))


def holder(task: Any, *args: Any, pending: str = "", **kwargs: Any) -> Any:
    """Return the record of the lock of a call; None if it is free."""
    return record_at(task.app, key_of(task, *args, **kwargs) + pending)


def record_at(app: Celery, key: str) -> Any:
    held = store_of(app).get(key)
    return None if held is None else held.record


def remaining(task: Any, *args: Any, **kwargs: Any) -> float:
    """Return for how many seconds the lock of a call stands."""
    held = store_of(task.app).get(key_of(task, *args, **kwargs))
    assert held is not None
    return held.remaining


def store_of(app: Celery) -> MemoryBackend:
    store = app.conf.unique_backend
    assert isinstance(store, MemoryBackend)
    return store


class CutOff(BaseException):
    """Ends a publish as Ctrl-C does, which no handler of errors catches."""


def wait_of(message: Message, app: Celery) -> float:
    """Return how many seconds are left until a message may start."""
    return seconds_to(app, None, message.headers["eta"])


def refuse(error: type[BaseException]) -> Any:
    """Return what stands in for a call that fails."""

    def refused(*args: Any, **options: Any) -> Any:
        raise error

    return refused


def is_duplicate(result: Any, of: Any) -> bool:
    """Tell whether a call was dropped as one of `of`, which was sent."""
    return (of.duplicate, result.duplicate, result.id) == (False, True, of.id)
