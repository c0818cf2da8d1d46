"""Each form in which a task can be guarded; all run until the gate of `key` is open."""

import functools
from collections.abc import Callable
from typing import Any

import celery
from celery import Task, shared_task
from pydantic import BaseModel

from tests.worker.app import app
from tests.worker.tasks import hold, witness
from unique_task import UniqueCeleryTask, unique

HAS_PYDANTIC = celery.VERSION >= (5, 5)


def annotation(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def annotated_run(self: Task, key: str) -> Any:
        witness().note(f"annotation {key}")
        return run(self, key)

    return annotated_run


# Before the first task is made: Celery looks them up then, once for all.
app.conf.task_annotations = {
    "tests.worker.tasks_forms.annotated": {"@run": annotation},
    "tests.worker.tasks_forms.above_annotated": {"@run": annotation},
}


@app.task
@unique
def bare(key: str) -> None:
    hold(key)


@app.task
@unique()
def called(key: str) -> None:
    hold(key)


@unique
@app.task
def above(key: str) -> None:
    hold(key)


@unique(key="{key}")
@app.task
def above_with_options(key: str) -> None:
    hold(key)


@app.task(lazy=False)
@unique
def made_at_once(key: str) -> None:
    hold(key)


@unique
@app.task(lazy=False)
def above_made_at_once(key: str) -> None:
    hold(key)


@shared_task
@unique
def shared(key: str) -> None:
    hold(key)


@unique
@shared_task
def above_shared(key: str) -> None:
    hold(key)


@app.task(bind=True)
@unique
def bound(self: Task, key: str) -> None:
    hold(key)


@unique
@app.task(bind=True)
def above_bound(self: Task, key: str) -> None:
    hold(key)


@app.task(autoretry_for=(OSError,))
@unique
def autoretrying(key: str) -> None:
    hold(key)


@unique
@app.task(autoretry_for=(OSError,))
def above_autoretrying(key: str) -> None:
    hold(key)


class ClassBased(Task):
    name = "tests.worker.tasks_forms.class_based"

    @unique
    def run(self, key: str) -> None:
        hold(key)


class_based = app.register_task(ClassBased())


class OwnBase(UniqueCeleryTask):
    abstract = True
    LOCK_EXPIRE = 60

    def generate_lock_id(self, key: str) -> str:
        return f"form:{key}"


@app.task(base=UniqueCeleryTask)
def of_base(key: str) -> None:
    hold(key)


@app.task(base=OwnBase, bind=True)
def of_own_base(self: Task, key: str) -> None:
    hold(key)


class UniqueClass(UniqueCeleryTask):
    name = "tests.worker.tasks_forms.unique_class"

    def run(self, key: str) -> None:
        hold(key)


unique_class = app.register_task(UniqueClass())


@app.task(bind=True)
@unique
def annotated(self: Task, key: str) -> None:
    hold(key)


@unique
@app.task(bind=True)
def above_annotated(self: Task, key: str) -> None:
    hold(key)


class Order(BaseModel):
    key: str
    note: str = ""


# Older ones take the option and do not validate.
if HAS_PYDANTIC:

    @app.task(pydantic=True)
    @unique
    def validated(key: str, order: Order) -> None:
        hold(order.key)

    @unique
    @app.task(pydantic=True)
    def above_validated(key: str, order: Order) -> None:
        hold(order.key)
