"""The options of ``@unique``, checked where they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .arguments import Parameters
from .backends import backend_class
from .backends.base import Backend
from .durations import Duration, seconds
from .exceptions import ConfigurationError
from .keys import Key, KeyOption
from .policies import policy_from

LOCK_TYPES = ("while_executing",)


@dataclass(frozen=True)
class Options:
    """What ``@unique`` says of a task; None leaves the choice to the settings."""

    key: KeyOption = None
    expire: Duration | None = None
    on_duplicate: Any = None
    lock: str | None = None
    renew: bool | None = None
    namespace: str | None = None
    backend: Backend | str | None = None

    def __post_init__(self) -> None:
        if self.expire is not None:
            seconds("expire", self.expire)
        if self.on_duplicate is not None:
            policy_from(self.on_duplicate)
        if self.lock is not None:
            check_lock_type(self.lock)
        if self.renew not in (None, True, False):
            raise ConfigurationError(
                f"renew={self.renew!r}: allowed are True and False"
            )
        if self.namespace is not None and not (
            isinstance(self.namespace, str) and self.namespace
        ):
            raise ConfigurationError(
                f"namespace={self.namespace!r}: must be a text that is not empty"
            )
        self._check_backend()

    def _check_backend(self) -> None:
        if self.backend is None or isinstance(self.backend, Backend):
            return
        if not isinstance(self.backend, str):
            raise ConfigurationError(
                f"backend={self.backend!r}: must be a URL or a Backend object"
            )
        backend_class(self.backend)

    def check_key(self, function: Callable[..., Any]) -> None:
        """Raise ConfigurationError if `key` fits `function` neither bound nor plain.

        Whether the first parameter is the task itself is known once there is a task.
        """
        try:
            Key(self.key, Parameters(function))
        except ConfigurationError:
            if not Parameters(function).names:
                raise
            Key(self.key, Parameters(function, bound=True))


def check_lock_type(lock: object) -> None:
    """Raise ConfigurationError for a lock type that there is not."""
    if lock not in LOCK_TYPES:
        choices = ", ".join(map(repr, LOCK_TYPES))
        raise ConfigurationError(f"lock={lock!r}: allowed are {choices}")
