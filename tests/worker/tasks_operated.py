"""Tasks whose locks operators look at."""

from typing import Any

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks import hold, witness
from unique_task import current_lock, retry, unique

#: Seconds for which a lock stands that nothing renews.
LONG = 600


def operated(name: str, **options: Any) -> Any:
    @app.task(name=f"operated.{name}")
    @unique(key="{key}", **options)
    def task(key: str, number: int = 1) -> Any:
        return hold(key, number)

    return task


RENEWED = operated("renewed")
NOT_RENEWED = operated("not_renewed", renew=False, expire=LONG)
WAITING = operated("waiting", on_duplicate="retry")
EXECUTED = operated("executed", lock="until_executed", expire=LONG)
QUEUED = operated("queued", lock="until_and_while_executing", expire=LONG)
WINDOW = operated("window", lock="until_expired", expire=LONG)


#: Comes back by itself later than any test waits.
NEVER = retry(countdown=LONG, backoff=1, maximum=LONG, jitter=False)


@app.task(name="operated.watchful")
@unique(key="{key}", on_duplicate=NEVER)
def WATCHFUL(key: str, number: int = 1) -> Any:
    """The first call goes on until its lock is lost, and the next call runs."""
    if number > 1:
        return hold(key, number)
    lock = current_lock()
    with witness().running(key):
        wait_until(lambda: lock.lost)
        wait_until(lambda: witness().runs(key) > 1)
    return lock.loss
