"""What the tasks of all worker tests are made of, and what is witnessed of each."""

from functools import lru_cache
from typing import Any

from celery import current_task
from celery.signals import before_task_publish, task_postrun, task_prerun

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.witness import Witness
from unique_task import DuplicateTaskError, retry, task_duplicate, unique

#: Comes back so soon that no test has to wait for it.
SOON = retry(countdown=0.1, maximum=0.3)


@lru_cache(maxsize=1)
def witness() -> Witness:
    return Witness(app.conf.witness_url)


def hold(key: str, value: Any = None) -> Any:
    """Run until the gate of `key` is open."""
    with witness().running(key):
        witness().wait_at(key)
    return value


def note_arrival(task_id: str, **_: Any) -> None:
    witness().arrived(task_id)


def note_state(task_id: str, state: str | None, **_: Any) -> None:
    witness().ended(task_id, str(state))


def note_duplicate(sender: Any, task_id: str | None, **_: Any) -> None:
    if task_id and sender.request.args:  # not where it is published
        witness().note(f"duplicates {sender.request.args[0]}", task_id)


def note_sent_again(headers: Any, **_: Any) -> None:
    """Of a task that a worker sends again, note the state stored at that time."""
    task_id = headers["id"]
    if current_task and current_task.request.id == task_id:
        state = app.backend.get_task_meta(task_id, cache=False)["status"]
        witness().note(f"sent again {task_id}", state)


# In a worker only: the test process has tasks of other apps, and no witness.
if app.conf.witness_url:
    task_prerun.connect(note_arrival)
    task_postrun.connect(note_state)
    task_duplicate.connect(note_duplicate)
    before_task_publish.connect(note_sent_again)


#: Namespace of the tasks of whose locks `is_free` can tell.
PROBED = "probed"


@app.task
@unique(key="{key}", namespace=PROBED, on_duplicate="raise")
def probe(key: str) -> None:
    """Called directly, it raises while another attempt holds `key`."""


def is_free(key: str) -> bool:
    """For the test: tell whether nobody holds `key`."""
    try:
        probe(key)
    except DuplicateTaskError:
        return False
    return True


@app.task
def meet(key: str) -> None:
    """Plain: run until there was another run at the same time."""
    with witness().running(key):
        wait_until(lambda: witness().most_at_once(key) > 1)


@app.task
@unique(key="{key}")
def guarded_meet(key: str) -> None:
    """Guarded: `meet` where guards are switched off."""
    meet.run(key)


@app.task
@unique(key="{key}", namespace="overlap", on_duplicate=SOON)
def run_later(key: str) -> None:
    with witness().running(key):
        pass


@app.task
@unique(key="{key}", namespace="overlap")
def run_or_not(key: str) -> None:
    with witness().running(key):
        pass


@app.task
def note(subject: str, text: str = "") -> None:
    witness().note(subject, text)


@app.task
def collect(values: Any) -> Any:
    """Plain: what a chord's header, or the task before, has returned."""
    return values
