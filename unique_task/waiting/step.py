"""Lets a worker's consumer keep the calls that wait, and start the one that is next."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import wraps
from threading import Lock, RLock
from typing import Any, ParamSpec
from weakref import ref

from celery import bootsteps
from celery.worker import state

from ..messages.stamp import our_headers
from ..messages.waited import Waited
from ..messages.waits_for import WaitsFor
from ..options.app_settings import settings_of
from .line import Line, Waiting
from .neighbours import messenger
from .next_steps import Next
from .room import Room

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")

#: Those of this process, by the names of their workers' nodes.
_steps: dict[str, WaitingStep] = {}


def logs_errors(function: Callable[_P, None]) -> Callable[_P, None]:
    """Log what `function` raises: Celery has to go on with the message as without us.

    Calls start later then, by their own pauses.
    """

    @wraps(function)
    def logging_errors(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            logger.exception("calls that wait for a lock may start later")

    return logging_errors


class WaitingStep(bootsteps.StartStopStep):
    """A step of a worker's consumer, which keeps the room of the calls that wait.

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
        self._started: deque[Waiting] = deque()
        self._is_applying = Lock()
        self._room = Room(consumer.hostname, _runs)
        # Before the broker delivers a message once more to another worker.
        self._longest = settings_of(consumer.app).redelivery / 4
        _steps[consumer.hostname] = self

    def stop(self, consumer: Any) -> None:
        """Forget the messages: with its connection, the worker gives them back."""
        with self._mutex:
            self._room.clear()

    def shutdown(self, consumer: Any) -> None:
        """Forget the worker: in a process of tests, others follow."""
        if _steps.get(consumer.hostname) is self:
            del _steps[consumer.hostname]

    def enter(self, request: Any, waits_for: WaitsFor) -> None:
        """Note a message that waits for a lock, and for its eta."""
        buckets = getattr(self.consumer, "task_buckets", {})
        if not self.consumer.disable_rate_limits and buckets.get(request.name):
            return  # its rate decides when it starts
        waiting = self._waiting_of(request, waits_for)
        following = self._decide(lambda room: room.enter(waiting))
        request.waiting = waiting
        if waiting in following.start:
            following.start.remove(waiting)
            # Celery is about to schedule the message, or to start it if it has no eta.
            request._eta = None
        self._follow_soon(following)

    def _waiting_of(self, request: Any, waits_for: WaitsFor) -> Waiting:
        now, eta = time.time(), request.eta.timestamp()
        since = Waited.among(our_headers(request.request_dict), request.id).since
        ends = [now + self._longest, waits_for.until]
        ends.append(request.expires and request.expires.timestamp())
        latest = min(end for end in ends if end is not None)
        pause = max(0.0, eta - now)
        return Waiting(request, str(request.id), waits_for, since, pause, latest)

    def _when_due(self, request: Any) -> None:
        """Stand in for ``Consumer.apply_eta_task``."""
        waiting = getattr(request, "waiting", None)
        if waiting is None:
            self._apply(request)
        else:
            self._look(waiting)

    def _look(self, waiting: Waiting) -> None:
        self.do(lambda room: room.look(waiting, time.time()))

    def _look_if_waiting(self, waiting: ref[Waiting]) -> None:
        found = waiting()
        if found is not None:
            self._look(found)

    def do(self, decide: Callable[[Room], Next]) -> None:
        """Do what the room decides."""
        self._follow_soon(self._decide(decide))

    def _decide(self, decide: Callable[[Room], Next]) -> Next:
        with self._mutex:
            return decide(self._room)

    def _follow_soon(self, following: Next) -> None:
        """Do what follows, outside of what the worker does now: in "solo", a task."""
        if not following:
            return
        hub = self.consumer.hub
        pool = type(self.consumer.pool).__module__
        if pool.endswith((".thread", ".gevent", ".eventlet")):
            self._follow(following)
        elif hub is not None:
            hub.call_soon(self._follow, following)
        else:
            self.consumer.timer.call_after(0, self._follow, (following,))

    @logs_errors
    def _follow(self, following: Next) -> None:
        for seconds, waiting in following.look:
            # The timer must not keep a message that has ended meanwhile.
            arguments = (ref(waiting),)
            self.consumer.timer.call_after(seconds, self._look_if_waiting, arguments)
        for message in following.tell:
            messenger.send(self.consumer, message)
        self._started.extend(following.start)
        self._apply_started()

    def _apply_started(self) -> None:
        """Hand the calls that were started to the pool, one after another.

        One that is revoked, or has expired, ends here, and the next one starts. Without
        the queue, each would do so inside of the one before.
        """
        while self._started and self._is_applying.acquire(blocking=False):
            try:
                self._apply_next()
            finally:
                self._is_applying.release()

    @logs_errors
    def _apply_next(self) -> None:
        self._apply(self._started.popleft().request)

    def report(self) -> list[dict[str, Any]]:
        """Return how many calls wait for each key, and since when the oldest waits."""
        with self._mutex:
            lines = [line for line in self._room.lines.values() if line.oldest]
            return [_report(line) for line in lines]


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
    """Tell whether a task, by its id, is in the pool of this worker, or on its way."""
    request = state.requests.get(task)
    if request is None or request in state.reserved_requests:
        return request is not None
    waiting = getattr(request, "waiting", None)
    return waiting is not None and waiting.left


def step_of(hostname: str) -> WaitingStep | None:
    """Return this step of a worker of this process, if it has one."""
    return _steps.get(hostname)
