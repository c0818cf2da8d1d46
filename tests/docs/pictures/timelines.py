"""What happens to the duplicates of a call, by lock type, as a real worker does it."""

from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Any, get_args

from celery import Celery
from celery.contrib.testing.worker import start_worker

from tests.waiting import wait_until
from unique_task import MemoryBackend, task_waits, unique
from unique_task.operating import explain
from unique_task.options.option_types import LockName

#: When the duplicates of a call are sent: while it is in the queue, while it runs, and
#: after its end.
MOMENTS = ("queued", "running", "ended")

NOT_SENT, IGNORED, WAITS, RUNS = "not sent", "ignored", "waits, then runs", "runs"


@dataclass(frozen=True)
class Timeline:
    """What a run has shown, by moment.

    Attributes:
        held: whether the key is locked then.
        duplicates: what happened to a duplicate that was sent then.
    """

    held: dict[str, bool]
    duplicates: dict[str, str]


class Scene:
    """A task under a lock type, whose first call ends when it may."""

    def __init__(self, app: Celery, lock: LockName) -> None:
        self.app, self.lock = app, lock
        self.started: set[str] = set()
        self.waited: set[str] = set()
        self.may_end = Event()

        @app.task(bind=True, name=f"shop.{lock}", shared=False)
        @unique(lock=lock)
        def charge(task: Any) -> None:
            self.started.add(task.request.id)
            if task.request.id == self.id_of("call"):
                assert self.may_end.wait(30)

        self.charge = charge

    def id_of(self, name: str) -> str:
        return f"{self.lock}-{name}"

    def send(self, name: str, queue: str) -> Any:
        return self.charge.apply_async(task_id=self.id_of(name), queue=queue)

    def notice_wait(self, task_id: str, **_: Any) -> None:
        self.waited.add(task_id)

    def is_held(self) -> bool:
        return bool(explain(self.app, self.charge.name, timeout=0).locks)

    def fate_of(self, duplicate: Any) -> str:
        """Return what happens to a duplicate, once that is certain."""
        if duplicate.duplicate:
            return NOT_SENT
        name = duplicate.id
        wait_until(
            lambda: {name} & (self.started | self.waited) or duplicate.ready(),
            message=f"nothing happened to {name}",
        )
        if name in self.waited:
            return WAITS
        return RUNS if name in self.started else IGNORED

    def play(self, consumer: Any) -> Timeline:
        """Send a call, and a duplicate of it at each moment, to a worker."""
        held, fates = {}, {}
        at_once, later = self.lock, f"{self.lock}-later"
        call = self.send("call", at_once)
        held["queued"] = self.is_held()
        # To another queue, so that no thread of the worker takes it before the call.
        early = self.send("early", later)
        consumer.add_task_queue(at_once)
        wait_until(lambda: call.id in self.started)
        held["running"] = self.is_held()
        consumer.add_task_queue(later)
        fates["queued"] = self.fate_of(early)
        during = self.send("during", at_once)
        fates["running"] = self.fate_of(during)
        self.may_end.set()
        for result in (call, early, during):
            result.get(timeout=30, propagate=False)
        held["ended"] = self.is_held()
        fates["ended"] = self.fate_of(self.send("late", at_once))
        return Timeline(held, fates)


def timelines() -> dict[LockName, Timeline]:
    """Return the timeline of each lock type, from one worker."""
    app = Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.update(unique_backend=MemoryBackend(), task_default_queue="timelines")
    app.conf.broker_transport_options = {"polling_interval": 0.01}
    scenes = [Scene(app, lock) for lock in get_args(LockName)]
    worker: Any
    with (
        closing(app),
        start_worker(
            app, pool="threads", concurrency=4, perform_ping_check=False
        ) as worker,
    ):
        return {scene.lock: _played(scene, worker.consumer) for scene in scenes}


def _played(scene: Scene, consumer: Any) -> Timeline:
    task_waits.connect(scene.notice_wait)
    try:
        return scene.play(consumer)
    finally:
        task_waits.disconnect(scene.notice_wait)
