"""What can go wrong, told to the person who has to mend it."""

from __future__ import annotations

from celery.exceptions import ImproperlyConfigured


class UniqueError(Exception):
    """Base of every error that this library raises."""


class ConfigurationError(UniqueError, ImproperlyConfigured):
    """An option or a setting has a value that makes no sense."""


class UniqueKeyError(UniqueError, ValueError):
    """The arguments of a call cannot be made into a key."""


class DuplicateTaskError(UniqueError):
    """The call is a duplicate: another attempt holds its key.

    Arguments:
        key: the digest that both calls share.
        owner: id of the task that holds the lock; None if the store does not tell.
        remaining: seconds for which the lock stands if nothing renews it.

    All three are the exception's ``args``, so it comes whole through pickle and through
    a JSON result backend.
    """

    def __init__(
        self, key: str, owner: str | None = None, remaining: float | None = None
    ) -> None:
        super().__init__(key, owner, remaining)
        self.key = key
        self.owner = owner
        self.remaining = remaining

    def __str__(self) -> str:
        text = (
            f"duplicate of task {self.owner or 'unknown'}, which holds key {self.key}"
        )
        if self.remaining is None:
            return text
        return f"{text}; it stands for {self.remaining:.1f} s unless renewed"


class LockStoreError(UniqueError):
    """The store that holds the locks did not answer, or refused."""


class LockStoreRefusedError(LockStoreError):
    """The store that holds the locks refuses until somebody mends it.

    As for a wrong password, a missing right, a table that cannot be created. A worker
    that is told so when it starts ends with it.
    """


class LockRecordError(LockStoreError):
    """The store holds a lock written by a version that this one cannot read.

    The lock is alive and is neither freed nor ignored: update this process.
    """
