"""Keep a Celery task from running twice."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .backends.base import Backend
from .exceptions import (
    ConfigurationError,
    DuplicateTaskError,
    LockRecordError,
    LockStoreError,
    LockStoreRefusedError,
    UniqueError,
    UniqueKeyError,
)
from .leases.current import current_lock
from .leases.lease import Lease
from .options.duplicate import Duplicate, Policy, duplicates
from .options.policies import cached, replace, retry, skip
from .signals import lock_acquired, lock_lost, lock_released, task_duplicate
from .tasks.decorator import unique
from .tasks.hooks import hook
from .tasks.task_class import UniqueCeleryTask

if TYPE_CHECKING:
    from .backends.django import DjangoCacheBackend as DjangoCacheBackend  # noqa: F401
    from .backends.memcached import MemcachedBackend as MemcachedBackend  # noqa: F401
    from .backends.memory import MemoryBackend
    from .backends.redis import RedisBackend
    from .backends.sql import SQLBackend as SQLBackend  # noqa: F401

#: Backends are imported on first use, as their clients take longer than all the rest;
#: the module of each, and the extra that installs its client if it is no requirement.
_BACKENDS = {
    "MemoryBackend": ("unique_task.backends.memory", ""),
    "RedisBackend": ("unique_task.backends.redis", ""),
    "DjangoCacheBackend": ("unique_task.backends.django", "[django]"),
    "MemcachedBackend": ("unique_task.backends.memcached", "[memcached]"),
    "SQLBackend": (
        "unique_task.backends.sql",
        "[postgresql], [mysql], or [sqlalchemy] for SQLite",
    ),
}

__all__ = [
    # the two forms
    "unique",
    "UniqueCeleryTask",
    # inside a guarded body
    "current_lock",
    "Lease",
    # policies
    "Duplicate",
    "Policy",
    "cached",
    "replace",
    "retry",
    "skip",
    # duplicates counted, and signals
    "duplicates",
    "lock_acquired",
    "lock_lost",
    "lock_released",
    "task_duplicate",
    # backends
    "Backend",
    "MemoryBackend",
    "RedisBackend",
    # errors
    "ConfigurationError",
    "DuplicateTaskError",
    "LockRecordError",
    "LockStoreError",
    "LockStoreRefusedError",
    "UniqueError",
    "UniqueKeyError",
]


def __getattr__(name: str) -> Any:
    if name not in _BACKENDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _BACKENDS[name]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name}: the module {error.name} is missing; pip install "
            f"unique_task{extra}",
            name=error.name,
        ) from error


hook()
