"""Tasks whose locks operators look at."""

from typing import Any

from tests.worker.app import app
from tests.worker.tasks import hold
from unique_task import unique

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
