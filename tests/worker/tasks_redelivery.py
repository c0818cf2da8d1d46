"""Tasks whose messages are delivered again, and what is witnessed of their runs."""

import os
from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import PROBED, SOON, witness
from tests.worker.tasks_policies import POLICIES
from tests.worker.tasks_pools import SlowToStore
from unique_task import unique


def work(task: Task, key: str) -> str:
    """Tell in which process this runs, wait at the gate, and tell of the end."""
    with witness().running(key):
        # Not before the start is noted: a test kills what it knows the process of.
        witness().note(f"pids {key}", str(os.getpid()))
        witness().wait_at(key)
    witness().note(f"ends {key}", str(task.request.id))
    return "ran"


def surviving(policy: str) -> Any:
    @app.task(
        bind=True,
        name=f"surviving {policy}",
        acks_late=True,
        reject_on_worker_lost=True,
    )
    @unique(key="{key}", namespace=PROBED, on_duplicate=POLICIES[policy])
    def task(self: Task, key: str) -> str:
        return work(self, key)

    return task


SURVIVING = {policy: surviving(policy) for policy in POLICIES}


@app.task(bind=True, track_started=True, acks_late=True)
@unique(key="{key}", namespace=PROBED, on_duplicate=SOON)
def tracked(self: Task, key: str) -> None:
    work(self, key)
    raise ValueError(key)


@app.task(bind=True)
@unique(key="{key}", namespace=PROBED)
def early(self: Task, key: str) -> str:
    return work(self, key)


@app.task(acks_late=True, reject_on_worker_lost=True)
@unique(key="{key}", namespace=PROBED)
def storing(key: str) -> SlowToStore:
    """Its body ends at once, its result is stored when the gate is open."""
    witness().note(f"pids {key}", str(os.getpid()))
    return SlowToStore(key)


@app.task(bind=True, acks_late=True)
@unique(key="{key}", namespace=PROBED)
def replacing(self: Task, key: str) -> str:
    """Replace itself, once, by a call that is equal."""
    work(self, key)
    if not self.request.replaced_task_nesting:
        raise self.replace(replacing.si(key))
    return "replaced"
