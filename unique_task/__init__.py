"""Keep a Celery task from running twice."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .exceptions import (
    ConfigurationError,
    DuplicateTaskError,
    LockRecordError,
    LockStoreError,
    LockStoreRefusedError,
    UniqueError,
    UniqueKeyError,
    UniqueLimitError,
)
from .signals import (
    lock_acquired,
    lock_lost,
    lock_released,
    shadow_duplicate,
    task_duplicate,
    task_waits,
)
from .tasks.hooks import hook

if TYPE_CHECKING:
    from .backends.base import Backend
    from .backends.django.backend import DjangoCacheBackend as DjangoCacheBackend
    from .backends.django.database import DjangoDatabaseBackend as DjangoDatabaseBackend
    from .backends.memcached import MemcachedBackend as MemcachedBackend
    from .backends.memory import MemoryBackend
    from .backends.redis import RedisBackend
    from .backends.sql import SQLBackend as SQLBackend
    from .leases.current import current_lock
    from .leases.lease import Lease
    from .options.duplicate import Duplicate, Policy, duplicates
    from .options.policies import cached, replace, retry, skip
    from .tasks.decorator import unique
    from .tasks.task_class import UniqueCeleryTask
    from .tasks.typed import UniqueResult, UniqueTask, guarded

#: The modules of the names that are imported on first use: a client of a store takes
#: longer than all the rest, and who only catches errors needs none of them.
_MODULES = {
    "unique": "tasks.decorator",
    "UniqueCeleryTask": "tasks.task_class",
    "guarded": "tasks.typed",
    "UniqueResult": "tasks.typed",
    "UniqueTask": "tasks.typed",
    "current_lock": "leases.current",
    "Lease": "leases.lease",
    "Duplicate": "options.duplicate",
    "Policy": "options.duplicate",
    "duplicates": "options.duplicate",
    "cached": "options.policies",
    "replace": "options.policies",
    "retry": "options.policies",
    "skip": "options.policies",
    "Backend": "backends.base",
    "MemoryBackend": "backends.memory",
    "RedisBackend": "backends.redis",
    "DjangoCacheBackend": "backends.django.backend",
    "DjangoDatabaseBackend": "backends.django.database",
    "MemcachedBackend": "backends.memcached",
    "SQLBackend": "backends.sql",
}

#: The extras that install the clients of backends, where they are no requirements.
_EXTRAS = {
    "DjangoCacheBackend": "[django]",
    "DjangoDatabaseBackend": "[django]",
    "MemcachedBackend": "[memcached]",
    "SQLBackend": "[postgresql], [mysql], or [sqlalchemy] for SQLite",
}

__all__ = [
    # the two forms
    "unique",
    "UniqueCeleryTask",
    # what type checkers see of a guarded task and its results
    "guarded",
    "UniqueResult",
    "UniqueTask",
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
    "shadow_duplicate",
    "task_duplicate",
    "task_waits",
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
    "UniqueLimitError",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name}: the module {error.name} is missing; pip install "
            f"unique_task{_EXTRAS.get(name, '')}",
            name=error.name,
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


hook()
