"""Tasks that end in all ways there are."""

from typing import Any

from celery.exceptions import Ignore, Reject, Retry

from tests.worker.app import app
from tests.worker.tasks import PROBED, hold, witness
from unique_task import unique

ENDS = {
    "error": ValueError("the body fails"),
    "ignore": Ignore(),
    "reject": Reject("the body rejects", requeue=False),
    "retry": Retry("the body retries"),
}


@app.task
@unique(key="{key}", namespace=PROBED)
def end(key: str, how: str = "return") -> None:
    hold(key)
    if how in ENDS:
        raise ENDS[how]


#: Seconds.
SHORT_LEASE = 0.5


@app.task
@unique(key="{key}", namespace=PROBED, expire=SHORT_LEASE)
def end_with_short_lease(key: str) -> None:
    hold(key)


@app.task(acks_late=True)
@unique(key="{key}", namespace=PROBED)
def end_late(key: str, how: str = "return") -> None:
    hold(key)
    if how in ENDS:
        raise ENDS[how]


class SlowToStore:
    """A result that takes until its gate is open to be stored."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __json__(self) -> Any:
        witness().note("storing", self._key)
        witness().wait_at(self._key)
        return "stored"


@app.task
@unique(key="{key}", namespace=PROBED)
def store_slowly(key: str) -> SlowToStore:
    return SlowToStore(key)


@app.task(acks_late=True)
@unique(key="{key}", namespace=PROBED)
def store_slowly_late(key: str) -> SlowToStore:
    return SlowToStore(key)
