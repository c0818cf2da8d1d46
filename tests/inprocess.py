"""Celery inside of the test process: apps, and a gate for bodies."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Semaphore
from typing import Any
from uuid import uuid4

from celery import Celery

from unique_task import MemoryBackend

TIMEOUT = 30


def make_app(**settings: Any) -> Celery:
    """Return an app with messages, results and locks of its own, all in memory."""
    app = Celery(f"app-{uuid4().hex[:8]}", broker="memory://")
    app.conf.update(
        result_backend="cache+memory://",
        # Kombu's memory is one for all apps of a process.
        task_default_queue=app.main,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"polling_interval": 0.01},
        unique_backend=MemoryBackend(),
    )
    app.conf.update(settings)
    return app


def value_of(result: Any) -> Any:
    """Return what a task returned, or raise what it ended with."""
    return result.get(timeout=TIMEOUT, interval=0.01)


class Gate:
    """Holds bodies until the test opens it, and tells of those that came."""

    def __init__(self) -> None:
        self._open = Event()
        self._arrivals = Semaphore(0)

    def hold(self) -> None:
        """For a body: wait until the test opens the gate, or pass if it is open."""
        if self._open.is_set():
            return
        self._arrivals.release()
        assert self._open.wait(TIMEOUT), "nobody opened the gate"

    def wait_for_arrival(self) -> None:
        """Return when one more body has come to the gate."""
        assert self._arrivals.acquire(timeout=TIMEOUT), "no body came to the gate"

    def open(self) -> None:
        self._open.set()

    @contextmanager
    def holding(
        self, call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Iterator[Future[Any]]:
        """Have `call` under way in another thread, its body at the gate."""
        self._open.clear()
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(call, *args, **kwargs)
            try:
                self.wait_for_arrival()
                yield running
            finally:
                self.open()
        running.result()
