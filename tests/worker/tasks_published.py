"""Tasks whose locks are taken when they are published, one for each way to use them."""

import os
import signal
from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import SOON, hold, witness
from unique_task import replace, unique
from unique_task.options.lock_types import LOCK_TYPES

#: Longer than all tests: what becomes free was freed.
LONG = 600

#: Queue of second tries, which no worker reads.
RETRIES = "retries"

AT_PUBLISH = [kind.name for kind in LOCK_TYPES.values() if kind.taken_at_publish]

POLICIES = {"ignore": "ignore", "skip": "skip", "raise": "raise", "retry": SOON}


def leaving(lock: Any, late: bool) -> Any:
    @app.task(
        bind=True,
        name=f"leaving {lock} {'late' if late else 'early'}",
        acks_late=late,
        autoretry_for=(ValueError,),
        retry_kwargs={"queue": RETRIES},
        default_retry_delay=0,
    )
    @unique(key="{key}", lock=lock, expire=LONG)
    def task(self: Task, key: str, how: str = "return") -> str:
        """Wait at a gate of this try, then end as is said."""
        retries = self.request.retries
        with witness().running(key):
            witness().wait_at(f"{key} {retries}")
        if how == "raise":
            raise LookupError(key)
        if how == "retry" and not retries:
            raise self.retry(queue=RETRIES, countdown=0)
        if how == "retry in vain":
            # Nobody knows that kind of compression.
            raise self.retry(compression="none of this name", countdown=0)
        if how == "autoretry" and not retries:
            raise ValueError(key)
        return f"try {retries}"

    return task


LEAVING = {
    (lock, late): leaving(lock, late) for lock in LOCK_TYPES for late in (False, True)
}


def guarded(name: str, lock: Any, policy: Any) -> Any:
    @app.task(name=f"published {name} {lock}")
    @unique(key="{key}", lock=lock, on_duplicate=policy, expire=LONG)
    def task(key: str, value: Any = None) -> Any:
        return hold(key, value)

    return task


#: By lock type and policy.
GUARDED_BY = {
    (lock, name): guarded(name, lock, policy)
    for lock in LOCK_TYPES
    for name, policy in POLICIES.items()
}
REPLACING = {lock: guarded("replace", lock, "replace") for lock in AT_PUBLISH}

#: Runs one at a time, and of those that wait only the latest.
LATEST = guarded(
    "latest", "until_and_while_executing", {"publish": "replace", "run": SOON}
)

MAX_WAIT = 0.5

#: Each call of it puts off the one before, but not for longer than that in all.
IMPATIENT = guarded(
    "impatient", "until_executing", replace(countdown=LONG, max_wait=MAX_WAIT)
)

DEBOUNCE = 0.5
DEBOUNCED = guarded("debounced", "until_executing", replace(countdown=DEBOUNCE))


def noted_key(key: str) -> str:
    """A key that is noted when a worker computes it."""
    if os.environ.get("UNIQUE_TEST_WITNESS"):
        witness().note(f"keys {key}")
    return key


@app.task
@unique(key=noted_key, lock="until_executed")
def computed(key: str) -> None:
    with witness().running(key):
        pass


@app.task(bind=True)
@unique(key="{key}", lock="until_executed", on_duplicate="raise", expire=LONG)
def succeeding(self: Task, key: str) -> str:
    """Replace itself by an equal call, once."""
    hold(key)
    if not self.request.replaced_task_nesting:
        raise self.replace(succeeding.si(key))
    return "replaced"


@app.task
@unique(key="{key}", lock="until_and_while_executing", on_duplicate={"run": SOON})
def catch_up(key: str) -> None:
    """See what was marked before it began, and note that when it ends."""
    with witness().running(key):
        mark = len(witness().noted(f"marks {key}"))
        witness().wait_at(key)
        witness().note(f"seen {key}", str(mark))


@app.task
def ask(lock: str, key: str) -> bool:
    """Plain: publish a call in a body, and tell whether it was dropped."""
    return bool(GUARDED_BY[lock, "raise"].delay(key).duplicate)


def surviving(lock: Any) -> Any:
    @app.task(
        name=f"surviving {lock}",
        acks_late=True,
        reject_on_worker_lost=True,
    )
    @unique(key="{key}", lock=lock, expire=LONG)
    def task(key: str) -> str:
        return str(hold(key, "ran"))

    return task


SURVIVING = {lock: surviving(lock) for lock in AT_PUBLISH}


def dying(lock: Any) -> Any:
    @app.task(name=f"dying {lock}")
    @unique(key="{key}", lock=lock, expire=LONG)
    def task(key: str) -> None:
        with witness().running(key):
            witness().wait_at(key)
            os.kill(os.getpid(), signal.SIGKILL)

    return task


DYING = {lock: dying(lock) for lock in AT_PUBLISH}
