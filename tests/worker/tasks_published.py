"""Tasks whose locks are taken when they are published, one for each way to use them."""

from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import SOON, hold, witness
from unique_task import unique
from unique_task.lock_types import LOCK_TYPES

#: Longer than all tests: what becomes free was freed.
LONG = 600

#: Queue of second tries, which no worker reads.
RETRIES = "retries"

POLICIES = {"ignore": "ignore", "skip": "skip", "raise": "raise", "retry": SOON}


def leaving(lock: str, late: bool) -> Any:
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
        if how == "autoretry" and not retries:
            raise ValueError(key)
        return f"try {retries}"

    return task


LEAVING = {(lock, late): leaving(lock, late) for lock in LOCK_TYPES for late in (0, 1)}


def guarded(lock: str, policy: str, **options: Any) -> Any:
    @app.task(name=f"published {lock} {policy}", **options)
    @unique(key="{key}", lock=lock, on_duplicate=POLICIES[policy], expire=LONG)
    def task(key: str, value: Any = None) -> Any:
        return hold(key, value)

    return task


#: By lock type and policy.
GUARDED_BY = {(k, policy): guarded(k, policy) for k in LOCK_TYPES for policy in POLICIES}
