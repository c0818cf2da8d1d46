"""How the bodies of the table of exits are left."""

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from celery import states
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.servers.process import free_port
from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.scene import Scene
from tests.worker.tasks import is_free
from tests.worker.worker_process import alive

How = Callable[[Scene], Any]

#: Seconds, of the workers that are killed.
LEASE = 1.0

#: Seconds.
SOFT_TIMEOUT = 0.5

#: The states in which Celery sees a body end.
STATES = {
    "return": states.SUCCESS,
    "error": states.FAILURE,
    "ignore": states.IGNORED,
    "reject": states.REJECTED,
    "requeue": states.REJECTED,
    "retry": states.RETRY,
}


def ends(how: str) -> How:
    """The body ends itself in one of the ways of `tasks_exits.ENDS`."""

    def end(scene: Scene) -> None:
        result = scene.begin(how)
        scene.leaves()
        scene.open()
        if how in STATES:
            wait_until(lambda: scene.witness.states(result.id)[:1] == [STATES[how]])

    return end


def begins(scene: Scene, how: str, limit: str, seconds: float) -> None:
    """Have a body under way that has so many seconds to end.

    On a machine so busy that they were over before the body began, it has more of them.
    """
    for enough in (seconds, 10.0):
        sent = time.monotonic()
        result = scene.task.apply_async([scene.key, how], **{limit: enough})
        wait_until(lambda: scene.runs or result.ready())
        if scene.runs:
            break
        scene.key = uuid4().hex
    assert scene.runs, "the body never began"
    held = scene.held()
    late = time.monotonic() > sent + enough
    assert held or late, "the body runs without a lock"
    scene.leaves(after=enough)


def times_out(limit: str, seconds: float) -> How:
    return lambda scene: begins(scene, "return", limit, seconds)


def defies_time_limit(scene: Scene) -> None:
    begins(scene, "defy", "time_limit", 0.3)

    def killed() -> bool:
        # Asked in this order: it may be killed in between.
        held, gone = scene.held(), not alive(scene.pid)
        assert held or gone, "the body runs on without its lock"
        return gone

    wait_until(killed)
    scene.leaves()


def child_is_killed(scene: Scene) -> None:
    scene.begin()
    scene.kill(signal.SIGKILL)


def is_terminated(name: str) -> How:
    def terminate(scene: Scene) -> None:
        result = scene.begin()
        scene.leaves()
        app.control.revoke(result.id, terminate=True, signal=name)

    return terminate


def defies_termination(scene: Scene) -> None:
    result = scene.begin("defy")
    app.control.revoke(result.id, terminate=True, signal="SIGTERM")
    wait_until(lambda: scene.witness.noted(f"defied {scene.key}"))
    wait_until(lambda: result.state == states.REVOKED)
    goes_on(scene)


def is_revoked(scene: Scene) -> None:
    task_id = str(uuid4())
    told = app.control.revoke(task_id, reply=True, timeout=10, limit=1)
    assert told, "no worker has heard"
    result = scene.task.apply_async([scene.key], task_id=task_id)
    never_runs(scene, result)


def expires(scene: Scene) -> None:
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    never_runs(scene, scene.task.apply_async([scene.key], expires=past))


def never_runs(scene: Scene, result: Any) -> None:
    scene.leaves()
    wait_until(lambda: result.state == states.REVOKED)
    assert not scene.runs


def cannot_be_published(scene: Scene) -> None:
    nowhere = Connection(
        f"redis://localhost:{free_port()}/0", transport_options={"max_retries": 1}
    )
    scene.leaves()
    with pytest.raises(OperationalError):
        scene.task.apply_async([scene.key], connection=nowhere, retry=False)


def called_eagerly(scene: Scene) -> None:
    in_place(scene, lambda key: scene.task.apply([key]).get())


def called_directly(scene: Scene) -> None:
    in_place(scene, scene.task)


def in_place(scene: Scene, call: Callable[..., Any]) -> None:
    with scene.beginning(call):
        scene.leaves()
        scene.open()


def shuts_down(
    number: int, said: str, *, waits: tuple[str, ...] = (), after: float = 0
) -> How:
    """The worker is told to end while the body runs.

    Arguments:
        said: by the worker when it has heard.
        waits: pools that let the body run to its end.
        after: seconds until it does so.
    """

    def shut_down(scene: Scene) -> None:
        worker = scene.its_worker
        scene.begin()
        os.kill(worker.pid, number)
        worker.wait_for_log(said)
        scene.leaves(after)
        if worker.pool in waits:
            wait_until(lambda: time.monotonic() > scene.left)
            goes_on(scene)

    return shut_down


def goes_on(scene: Scene) -> None:
    """The body has gone on till now, and ends by itself."""
    assert scene.held(), "the body runs on without its lock"
    assert not is_free(scene.key), "its lock can be taken over"
    scene.leaves()
    scene.open()


ALL = ("prefork", "threads", "gevent", "solo")
HEARD = "Hitting Ctrl+C again"

warm_shutdown = shuts_down(signal.SIGTERM, "Warm shutdown", waits=ALL)
soft_shutdown_in_time = shuts_down(signal.SIGQUIT, "Soft Shutdown", waits=ALL)
soft_shutdown_too_late = shuts_down(
    signal.SIGQUIT, "Soft Shutdown", waits=("threads",), after=SOFT_TIMEOUT
)
cold_shutdown = shuts_down(signal.SIGQUIT, HEARD, waits=("threads",))
cold_shutdown_of_old = shuts_down(
    signal.SIGQUIT, "Cold shutdown", waits=("threads", "solo")
)


def cold_shutdown_of_greenlets(scene: Scene) -> None:
    """What Celery's handler of the signal does depends on where gevent calls it."""
    scene.begin()
    os.kill(scene.its_worker.pid, signal.SIGQUIT)
    # Until then its locks may be renewed.
    wait_until(lambda: not scene.its_worker.running, timeout=20)
    scene.leaves()


def worker_is_killed(scene: Scene) -> None:
    scene.begin()
    scene.leaves()
    os.killpg(scene.its_worker.pid, signal.SIGKILL)
    has_a_lease_left(scene)


def parent_is_killed(scene: Scene) -> None:
    scene.begin()
    scene.leaves()
    os.kill(scene.its_worker.pid, signal.SIGKILL)
    wait_until(lambda: not alive(scene.pid))
    has_a_lease_left(scene)


def has_a_lease_left(scene: Scene) -> None:
    """However long `expire` is; on a busy machine even that may be over by now."""
    held = scene.held()
    assert not held or held.remaining <= LEASE
