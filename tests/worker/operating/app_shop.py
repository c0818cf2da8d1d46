"""An app of one task, whose rules and clock an environment variable changes."""

import json
import os
import time
from types import SimpleNamespace
from typing import Any

from celery import Celery

from tests.worker.app import app as base
from unique_task import unique
from unique_task.operating import commands

#: Options of the task, and seconds by which the clock is ahead.
GIVEN = json.loads(os.environ.get("UNIQUE_TEST_SHOP", "{}"))
AHEAD = GIVEN.pop("ahead", 0)

app = Celery("shop")
app.conf.update({name: base.conf[name] for name in ("broker_url", "result_backend")})
app.conf.unique_backend = base.conf.unique_backend
app.conf.broker_connection_retry_on_startup = True


def by_order(order: int, note: str = "") -> Any:
    return order


def by_both(order: int, note: str = "") -> Any:
    return order, note


if GIVEN.pop("both", False):  # as after a change of its body
    by_both.__name__, by_both.__qualname__ = by_order.__name__, by_order.__qualname__
    by_order = by_both


@app.task(name="shop.pay")
@unique(**{"key": by_order, **GIVEN})
def pay(order: int, note: str = "") -> None: ...


if AHEAD:
    setattr(commands, "time", SimpleNamespace(time=lambda: time.time() + AHEAD))
