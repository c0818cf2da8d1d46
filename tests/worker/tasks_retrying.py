"""Tasks that retry, and let others come between their tries."""

from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import PROBED, hold, witness
from tests.worker.tasks_policies import POLICIES
from unique_task import unique


def asking(policy: str, late: bool) -> Any:
    @app.task(bind=True, name=f"asking {policy} {late}", acks_late=late)
    @unique(key="{key}", on_duplicate=POLICIES[policy])
    def task(self: Task, key: str) -> str:
        """Ask for a second try in the first."""
        hold(key)
        if not self.request.retries:
            raise self.retry(countdown=0)
        return "second try"

    return task


def failing(policy: str, late: bool) -> Any:
    @app.task(
        bind=True,
        name=f"failing {policy} {late}",
        acks_late=late,
        autoretry_for=(ValueError,),
        default_retry_delay=0,
    )
    @unique(key="{key}", on_duplicate=POLICIES[policy])
    def task(self: Task, key: str) -> str:
        """Raise in the first try of the task."""
        hold(key)
        if not self.request.retries:
            raise ValueError(key)
        return "second try"

    return task


def interrupted(policy: str, late: bool) -> Any:
    @app.task(bind=True, name=f"interrupted {policy} {late}", acks_late=late)
    @unique(key="{key}", namespace=PROBED, on_duplicate=POLICIES[policy])
    def task(self: Task, key: str, gate: str = "", queue: str = "") -> str:
        """Wait at the gate if there is one, and retry through the queue if so."""
        with witness().running(key):
            if gate:
                witness().wait_at(gate)
            if queue and not self.request.retries:
                raise self.retry(countdown=0, queue=queue)
        return f"{self.request.id} try {self.request.retries}"

    return task


BOTH = (False, True)
ASKING = {(p, late): asking(p, late) for p in POLICIES for late in BOTH}
FAILING = {(p, late): failing(p, late) for p in POLICIES for late in BOTH}
INTERRUPTED = {(p, late): interrupted(p, late) for p in POLICIES for late in BOTH}
