"""Tasks whose duplicates pause for a minute: one that runs sooner was started early."""

import time
from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import hold, witness
from tests.worker.tasks_exits import leave_body
from tests.worker.tasks_policies import seen_by
from tests.worker.tasks_successors import AFTER_THIS
from unique_task import cached, retry, task_waits, unique

#: Longer than any test waits for a call to run.
PAUSE = 60.0

LONG = retry(countdown=PAUSE, maximum=PAUSE, jitter=False)

#: Comes back by itself while its test looks on.
SHORT_PAUSE = 3.0
SHORT = retry(countdown=SHORT_PAUSE, maximum=SHORT_PAUSE, jitter=False)

#: Seconds after which a call gives up.
TIMEOUT = 3.0


def in_order(key: str, value: Any = None) -> Any:
    """Note that it is the turn of `value`, then run until the gate is open."""
    witness().note(f"order {key}", str(value))
    witness().note(f"moments {key}", str(time.time()))
    return hold(key, value)


def waiting(name: str, policy: Any = LONG, lock: Any = None, **options: Any) -> Any:
    @app.task(name=f"waiting {name}", **options)
    @unique(key="{key}", on_duplicate=policy, lock=lock, namespace="line")
    def task(key: str, value: Any = None) -> Any:
        return in_order(key, value)

    return task


EARLY = waiting("early")
LATE = waiting("late", acks_late=True, reject_on_worker_lost=True)
BRIEF = waiting("brief", SHORT)
GIVING_UP = waiting("giving up", retry(countdown=1, timeout=TIMEOUT, jitter=False))
RATED = waiting("rated", SHORT, rate_limit="1/s")
ONCE_MORE = waiting("once more", {"run": LONG}, "until_and_while_executing")
LATEST = waiting(
    "latest", {"publish": "replace", "run": LONG}, "until_and_while_executing"
)
EXECUTED = waiting("executed", {"run": LONG}, "until_executed")
PUBLISHED = waiting("published", LONG, "until_executed")


@app.task
@unique(key="{key}", on_duplicate=LONG)
def leave_in_line(key: str, how: str = "return") -> None:
    """Leave the first run in one of the ways of ``tasks_exits.ENDS``."""
    leave_body(key, how)


@app.task(bind=True, max_retries=1)
@unique(key="{key}", on_duplicate=LONG)
def retry_in_line(self: Task, key: str, value: Any = None) -> int:
    """Try once more as soon as the first try has failed; the line comes before that."""
    in_order(key, f"{value} {self.request.retries}")
    if value == "retries" and not self.request.retries:
        raise self.retry(countdown=0.5)
    return int(self.request.retries)


@app.task(bind=True)
@unique(key="{key}", on_duplicate=LONG)
def look_in_line(self: Task, key: str, other: str = "") -> dict[str, Any]:
    """What this attempt sees of how it was sent."""
    hold(key)
    return seen_by(self)


@app.task
@unique(key="{key}", on_duplicate=LONG)
def follow_in_line(key: str, number: int = 1) -> None:
    """Send the next run of this key, up to three, while this one goes on."""
    if number < 3:
        follow_in_line.apply_async((key, number + 1), **AFTER_THIS)
    in_order(key, number)


#: A value that is fresh for long; those who wait for it pause as long as `cached` does.
CACHED = waiting("cached", cached(ttl=PAUSE))


@app.task
@unique(key="{key}", on_duplicate=cached(ttl=PAUSE))
def caching_in_line(key: str, failures: int = 0) -> int:
    """Fail so many times, then return which run this is."""
    in_order(key)
    run = witness().runs(key)
    if run <= failures:
        raise ValueError(f"run {run} fails")
    return run


def note_wait(key: str, owner: str, task_id: str, times: int, **_: Any) -> None:
    witness().note(f"waits of {task_id}", f"{owner} {times}")


if app.conf.witness_url:
    task_waits.connect(note_wait)
