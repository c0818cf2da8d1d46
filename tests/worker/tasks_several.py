"""Tasks of which several may hold one key."""

import os
import time
from typing import Any

from celery import Task

from tests.worker import tasks_waiting
from tests.worker.app import app
from tests.worker.tasks import PROBED, SOON, hold, witness
from tests.worker.tasks_exits import leave_body
from tests.worker.tasks_operated import operated
from tests.worker.tasks_redelivery import work
from unique_task import unique
from unique_task.options.option_types import PolicyOption
from unique_task.recipes import at_most, throttle

#: How many may hold a key.
LIMIT = 2

#: The lock types under which no more than `LIMIT` run at once.
LIMITED = ("while_executing", "until_executed", "until_and_while_executing")


def short(lock: Any) -> Any:
    policies: PolicyOption = {"publish": "ignore", "run": SOON}

    @app.task(name=f"short {lock}")
    @unique(
        key="{key}",
        lock=lock,
        limit=LIMIT,
        on_duplicate=SOON if lock == "while_executing" else policies,
    )
    def task(key: str) -> None:
        with witness().running(key):
            time.sleep(0.05)

    return task


#: They run for a moment; a duplicate waits, or is not sent.
SHORT = {lock: short(lock) for lock in LIMITED}


def long(lock: Any) -> Any:
    @app.task(name=f"long {lock}")
    @unique(key="{key}", lock=lock, limit=LIMIT, on_duplicate="raise", expire=600)
    def task(key: str) -> None:
        witness().note(f"pids {key}", str(os.getpid()))
        hold(key)

    return task


LONG = {lock: long(lock) for lock in (*LIMITED, "until_executing", "until_expired")}


#: Three of them, as operators see them.
SEVERAL = operated("several", limit=3, on_duplicate="retry")


@app.task
@at_most(LIMIT, key="{key}", wait=SOON)
def run_or_wait(key: str, gate: str) -> str:
    witness().note(f"pids {key}", str(os.getpid()))
    with witness().running(key):
        witness().wait_at(gate)
    return gate


@app.task
@unique(key="{key}", limit=lambda key: int(key[0]), on_duplicate=SOON)
def run_by_key(key: str) -> None:
    with witness().running(key):
        time.sleep(0.05)


@app.task
@throttle(600, limit=3, key="{key}")
def ask(key: str) -> None:
    with witness().running(key):
        pass


@app.task(bind=True)
@unique(key="{key}", limit=LIMIT, lock="until_executed", on_duplicate="ignore")
def retry_at_gate(self: Task, key: str, gate: str) -> int:
    """Fail at first, and end when the gate is open."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    witness().note(f"tries {key}", gate)
    witness().wait_at(gate)
    return int(self.request.retries)


def surviving(lock: Any) -> Any:
    @app.task(
        bind=True,
        name=f"surviving several {lock}",
        acks_late=True,
        reject_on_worker_lost=True,
    )
    @unique(key="{key}", lock=lock, limit=5, expire=600)
    def task(self: Task, key: str) -> str:
        return work(self, key)

    return task


#: With room for each second delivery of their messages.
SURVIVING = {lock: surviving(lock) for lock in LONG}


@app.task
@unique(key="{key}", namespace=PROBED, limit=2)
def leave_among_several(key: str, how: str = "return") -> None:
    leave_body(key, how)


@app.task(acks_late=True)
@unique(key="{key}", namespace=PROBED, limit=2)
def leave_late_among_several(key: str, how: str = "return") -> None:
    leave_body(key, how)


@app.task
@unique(key="{key}", on_duplicate=tasks_waiting.LONG, limit=2)
def two_in_line(key: str, gate: str) -> None:
    """Run until a gate of its own is open, beside another run."""
    with witness().running(key):
        witness().wait_at(gate)
