"""Keep a Celery task from running twice."""

from .backends.base import Backend
from .backends.memory import MemoryBackend
from .backends.redis import RedisBackend
from .current import current_lock
from .decorator import unique
from .duplicate import Duplicate, Policy
from .exceptions import (
    ConfigurationError,
    DuplicateTaskError,
    LockRecordError,
    LockStoreError,
    UniqueError,
    UniqueKeyError,
)
from .integration import hook
from .lease import Lease
from .policies import cached, replace, retry, skip
from .signals import lock_acquired, lock_lost, lock_released, task_duplicate
from .task_class import UniqueCeleryTask
from .told import duplicates

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
    # what is told of
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
    "UniqueError",
    "UniqueKeyError",
]

hook()
