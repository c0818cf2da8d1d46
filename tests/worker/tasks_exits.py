"""A task whose body is left in all ways there are, the first time that it runs."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from celery.exceptions import Ignore, Reject, Retry

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks import PROBED, hold, witness
from unique_task import unique


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def end() -> NoReturn:
        raise error

    return end


#: What a body does when its gate opens.
ENDS: dict[str, Callable[[], Any]] = {
    "return": lambda: None,
    "error": raising(ValueError("the body fails")),
    "ignore": raising(Ignore()),
    "reject": raising(Reject("the body rejects", requeue=False)),
    "requeue": raising(Reject("the body rejects", requeue=True)),
    "retry": raising(Retry("the body retries")),
    "sys.exit": sys.exit,
    "os._exit": lambda: os._exit(1),
}


@contextmanager
def defying(key: str) -> Iterator[None]:
    """Go on when told to terminate, and note it."""
    signals: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    try:
        with witness().running(key):
            wait_until(lambda: signals, timeout=30)
        witness().note(f"defied {key}")
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave_body(key: str, how: str) -> None:
    witness().note(f"pid {key}", str(os.getpid()))
    if witness().runs(key):
        # Whatever comes again must not be stopped again.
        hold(key)
    elif how == "defy":
        with defying(key):
            witness().wait_at(key)
    else:
        hold(key)
        ENDS[how]()


@app.task
@unique(key="{key}", namespace=PROBED)
def leave(key: str, how: str = "return") -> None:
    leave_body(key, how)


@app.task(acks_late=True)
@unique(key="{key}", namespace=PROBED)
def leave_late(key: str, how: str = "return") -> None:
    leave_body(key, how)
