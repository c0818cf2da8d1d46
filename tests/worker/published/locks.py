"""What the store says of the locks of one call: who has it (`Held`), or None."""

from typing import Any

from tests.worker.app import app
from unique_task.backends.base import Backend
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.guarded_class import GUARDED
from unique_task.options.lock_types import LOCK_TYPES


def store() -> Backend:
    return backend_of(app, settings_of(app))


def pending(task: Any, *args: Any) -> Any:
    """The lock that is taken at publish; or what it has become, under its name."""
    return store().get(_kind(task).reservation_name(_digest(task, args)))


def held(task: Any, *args: Any) -> Any:
    """A lock that equal calls meet, in the queue or when they run."""
    return pending(task, *args) or store().get(_digest(task, args))


def held_as(task: Any, value: Any) -> Any:
    """The lock of a call that has `value` as its ``unique_key``."""
    return store().get(getattr(task, GUARDED).spec.digest_of(task, value))


def _kind(task: Any) -> Any:
    return LOCK_TYPES[getattr(task, GUARDED).spec.options.lock or "while_executing"]


def _digest(task: Any, args: tuple[Any, ...]) -> str:
    return str(getattr(task, GUARDED).spec.digest(task, args, {}))
