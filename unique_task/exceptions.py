"""The errors that this library raises."""

from __future__ import annotations

from celery.exceptions import ImproperlyConfigured


class UniqueError(Exception):
    """Base of every error that this library raises."""


class ConfigurationError(UniqueError, ImproperlyConfigured):
    """An option or a setting has a value that is not allowed."""


class UniqueKeyError(UniqueError, ValueError):
    """No key can be made of the arguments of a call."""


class UniqueLimitError(UniqueError, ValueError):
    """The callable ``limit=`` makes no limit of the arguments of a call."""


class DuplicateTaskError(UniqueError):
    """The call is a duplicate: another attempt holds its key.

    Arguments:
        key: the digest that both calls share.
        owner: id of the task that holds the lock; None if it is not known.
        remaining: seconds until the lock ends if nothing renews it.
        hold: what the lock is called if an operator holds it, such as ``held by ann:
            migration``; then `owner` is no task.

    All of them are the exception's ``args``, so it survives pickle and a JSON result
    backend.
    """

    def __init__(
        self,
        key: str,
        owner: str | None = None,
        remaining: float | None = None,
        hold: str | None = None,
    ) -> None:
        # An older version reads errors of three arguments.
        super().__init__(key, owner, remaining, *([] if hold is None else [hold]))
        self.key = key
        self.owner = owner
        self.remaining = remaining
        self.hold = hold

    def __str__(self) -> str:
        if self.hold is not None:
            return f"{self.hold}; key {self.key}{_left(self.remaining)}"
        text = (
            f"duplicate of task {self.owner or 'unknown'}, which holds key {self.key}"
        )
        return f"{text}{_left(self.remaining, ' unless renewed')}"


def _left(remaining: float | None, unless: str = "") -> str:
    return "" if remaining is None else f"; it stands for {remaining:.1f} s{unless}"


class LockStoreError(UniqueError):
    """The store of the locks did not answer, or refused."""


class LockStoreRefusedError(LockStoreError):
    """The store of the locks refuses until a person mends something.

    For example a wrong password, a missing right, or a table that cannot be created. A
    worker that gets this error when it starts ends with it.
    """


class LockRecordError(LockStoreError):
    """A newer version wrote a lock that this version cannot read.

    The lock counts: it is neither released nor ignored. Update this process.
    """
