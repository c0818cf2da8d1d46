"""Lets a worker's consumer keep the calls that wait, and start the one that is next."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any

from celery import bootsteps
from celery.worker import state

from ..messages.stamp import our_headers
from ..messages.states import ComesBack
from ..messages.waited import Waited
from ..messages.waits_for import WaitsFor
from ..options.app_settings import settings_of
from .line import Line, Waiting
from .neighbours import messenger
from .next_steps import Next
from .room import Room

#: The waiting rooms of this process, by the names of their workers' nodes.
_rooms: dict[str, WaitingRoom] = {}


class WaitingRoom(bootsteps.StartStopStep):
    """A step of a worker's consumer: the calls that wait in this worker for a lock.

    Celery hands a message with an eta to the pool by ``consumer.apply_eta_task`` when
    its time comes. The step stands in front of that. It may call it earlier, and once
    only for each message: so the message is acknowledged once, and counted once among
    those that the worker has prefetched.
    """

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.consumer = consumer
        self._apply = consumer.apply_eta_task
        consumer.apply_eta_task = self._when_due
        # An end is reported by threads of the pool, too.
        self._mutex = RLock()
        self.room = Room(consumer.hostname, _runs)
        # Before the broker delivers a message once more to another worker.
        self._longest = settings_of(consumer.app).redelivery / 4
        _rooms[consumer.hostname] = self

    def stop(self, consumer: Any) -> None:
        """Forget the messages: with its connection, the worker gives them back."""
        with self._mutex:
            self.room.clear()

    def enter(self, request: Any, waits_for: WaitsFor) -> None:
        """Note a message that waits for a lock, and for its eta."""
        buckets = getattr(self.consumer, "task_buckets", {})
        if not self.consumer.disable_rate_limits and buckets.get(request.name):
            return  # its rate decides when it starts
        now, eta = time.time(), request.eta.timestamp()
        since = Waited.among(our_headers(request.request_dict), request.id).since
        ends = [now + self._longest, waits_for.until]
        ends.append(request.expires and request.expires.timestamp())
        latest = min(end for end in ends if end is not None)
        pause = max(0.0, eta - now)
        request.waiting = Waiting(
            request, str(request.id), waits_for, since, pause, latest
        )
        self.do(lambda room: room.enter(request.waiting))

    def _when_due(self, request: Any) -> None:
        """Stand in for ``Consumer.apply_eta_task``."""
        waiting = getattr(request, "waiting", None)
        if waiting is None:
            self._apply(request)
        else:
            self._look(waiting)

    def _look(self, waiting: Waiting) -> None:
        self.do(lambda room: room.look(waiting, time.time()))

    def do(self, decide: Callable[[Room], Next]) -> None:
        """Do what the room decides."""
        with self._mutex:
            following = decide(self.room)
        for waiting in following.start:
            self._soon(partial(self._apply, waiting.request))
        for seconds, waiting in following.look:
            self.consumer.timer.call_after(seconds, self._look, (waiting,))
        for message in following.tell:
            messenger.send(self.consumer, message)

    def report(self) -> list[dict[str, Any]]:
        """Return how many calls wait for each key, and since when the oldest waits."""
        with self._mutex:
            lines = [line for line in self.room.lines.values() if line.oldest]
            return [_report(line) for line in lines]

    def _soon(self, work: Callable[[], object]) -> None:
        """Do it outside of what the worker does now; with "solo" that is a task."""
        hub = self.consumer.hub
        pool = type(self.consumer.pool).__module__
        if pool.endswith((".thread", ".gevent", ".eventlet")):
            work()
        elif hub is not None:
            hub.call_soon(work)
        else:
            self.consumer.timer.call_after(0, work)


def _report(line: Line) -> dict[str, Any]:
    oldest = line.oldest
    assert oldest is not None
    return {
        "key": line.key,
        "task": oldest.request.name,
        "waiting": len(line),
        "since": oldest.since,
        "limit": line.limit,
    }


def _runs(task: str) -> bool:
    """Tell whether a task, by its id, is in the pool of this worker."""
    request = state.requests.get(task)
    return request is not None and request in state.reserved_requests


def room_of(hostname: str) -> WaitingRoom | None:
    """Return the waiting room of a worker of this process, if it has one."""
    return _rooms.get(hostname)


def enter_if_waiting(request: Any) -> None:
    """Let a message enter the waiting room of its worker if it waits for a lock."""
    waits_for = WaitsFor.in_message(request.request_dict)
    room = _rooms.get(request.hostname)
    if waits_for is not None and room is not None and request.eta is not None:
        room.enter(request, waits_for)


def leave_if_waiting(request: Any) -> None:
    """Note that a message ends, and is in no pool."""
    waiting, room = request.waiting, _rooms.get(request.hostname)
    if waiting is not None and room is not None:
        room.do(lambda one: one.leave(waiting))


def run_ended(request: Any, error: Any = None) -> None:
    """Note that a task has ended, and let another one start that waits for it.

    Arguments:
        error: what it has raised, maybe wrapped; None if it has succeeded.
    """
    room = _rooms.get(request.hostname)
    if room is None or not room.room.lines:
        return
    back = None
    # Billiard wraps an error that comes from a child, with its traceback.
    error = getattr(error, "exc", error)
    if isinstance(error, ComesBack):
        back = error.waits_for or WaitsFor("")
    room.do(lambda one: one.ended(str(request.id), succeeded=error is None, back=back))


def greenlet_ended(request: Any, error: Exception) -> None:
    """Note that a time limit has ended a task, if that was in a greenlet.

    A child is killed only after that; then its own end is reported.
    """
    room = _rooms.get(request.hostname)
    if room is not None and room.consumer.pool.is_green:
        run_ended(request, error)
