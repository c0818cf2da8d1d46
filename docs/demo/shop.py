"""The tasks of a small shop, one for each thing that can happen to a duplicate.

They look like yours; only ``witness`` is for the demo.
"""

from __future__ import annotations

import os
import time
from uuid import uuid4

from celery import Celery
from witness import witness

from unique_task import DuplicateTaskError, cached, retry, unique

REDIS_URL = os.environ.get("REDIS_URL")

# Locks live in the result backend, unless unique_backend names another store.
app = Celery(
    "shop",
    broker=REDIS_URL or "memory://",
    backend=REDIS_URL or "cache+memory://",
)
app.conf.result_expires = 60


@app.task
def charge_plain(order: int, clicked_in: str) -> str:
    return work("charged", order)


@app.task
@unique(key="{order}")
def ship(order: int, clicked_in: str) -> str:
    return work("shipped", order)


@app.task
@unique(key=["order"], on_duplicate="skip")
def notify(order: int, clicked_in: str) -> str:
    return work("notified", order)


@app.task
@unique(key="invoice of {order}", on_duplicate=cached(ttl=60))
def invoice(order: int, clicked_in: str) -> str:
    return work("invoice", order)


@app.task
@unique(
    key=lambda order, clicked_in: order,
    on_duplicate=retry(countdown=0.3, backoff=1),
)
def charge(order: int, clicked_in: str) -> str:
    return work("charged", order)


# An error that is expected needs no traceback in the log: throws=.
@app.task(throws=(DuplicateTaskError,))
@unique(key="{order}", on_duplicate="raise")
def refund(order: int, clicked_in: str) -> str:
    return work("refunded", order)


def work(done: str, order: int) -> str:
    """Take a while, and return a text that no other run returns."""
    with witness():
        time.sleep(0.3)
    return f"{done}-{order}-{uuid4().hex[:6]}"
