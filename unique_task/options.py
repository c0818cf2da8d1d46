"""The options of ``@unique``, checked where they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .arguments import Parameters
from .backends import backend_class
from .backends.base import Backend
from .durations import Duration, seconds
from .exceptions import ConfigurationError
from .keys import Key, KeyOption
from .policies import Policy, policy_from

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

    @property
    def policy(self) -> Policy | None:
        """What a duplicate does at run; None if the settings say."""
        return None if self.on_duplicate is None else policy_from(self.on_duplicate)

    def _check_backend(self) -> None:
        if self.backend is None or isinstance(self.backend, Backend):
            return
        if not isinstance(self.backend, str):
            raise ConfigurationError(
                f"backend={self.backend!r}: must be a URL or a Backend object"
            )
        backend_class(self.backend, "backend").from_url(self.backend, timeout=1)

    def check_key(
        self, function: Callable[..., Any], bound: bool | None = None
    ) -> None:
        """Raise ConfigurationError if `key` does not fit `function`.

        Arguments:
            bound: whether its first parameter is the task itself; None if that is not
                known yet. Then a callable may take that parameter or not.
        """
        try:
            Key(self.key, Parameters(function, bound=bool(bound)))
        except ConfigurationError as error:
            if bound is not None or not callable(self.key):
                raise
            try:
                Key(self.key, Parameters(function, bound=True))
            except ConfigurationError:
                raise error from None


def options_from(values: Mapping[str, Any], name: str) -> Options:
    """Return the options given by name.

    Arguments:
        name: of what gives them, for the error.

    Raises:
        ConfigurationError: for an option that there is not, or that makes no sense.
    """
    known = [field.name for field in fields(Options)]
    for option in values:
        if option not in known:
            raise ConfigurationError(
                f"{name}: {option!r} is no option; known are {', '.join(known)}"
            )
    return Options(**values)


def check_lock_type(lock: object, name: str = "lock") -> None:
    """Raise ConfigurationError for a lock type that there is not.

    Arguments:
        name: of the option or setting, for the error.
    """
    if lock not in LOCK_TYPES:
        choices = ", ".join(map(repr, LOCK_TYPES))
        raise ConfigurationError(f"{name}={lock!r}: allowed are {choices}")
