"""The options of ``@unique``, checked where they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..backends.base import Backend
from ..backends.registry import backend_class
from ..backends.safe_names import without_password
from ..durations import Duration, seconds
from ..exceptions import ConfigurationError
from ..keys.arguments import Parameters
from ..keys.key_option import KeyOption, key_from_option
from .lock_types import LockType, lock_type
from .policies import Cached, Replace
from .policy_names import Policies, policies_from


@dataclass(frozen=True)
class Options:
    """What ``@unique`` says of a task; None leaves the policies to the settings."""

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
        policies = self.policies
        if self.lock is not None:
            kind = lock_type(self.lock)
            check_pair(kind, policies)
            if (
                policies.publish
                and policies.publish != policies.run
                and not kind.taken_at_publish
            ):
                raise ConfigurationError(
                    f"on_duplicate={self.on_duplicate!r}: {kind.name} locks are not "
                    'taken when a task is published; "publish" would say nothing'
                )
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

    @property
    def policies(self) -> Policies:
        """What a duplicate does, where that is said."""
        said = self.on_duplicate
        return Policies() if said is None else policies_from(said)

    @property
    def needs_lock_at_publish(self) -> bool:
        """True if only some lock types make sense, and the settings choose the type."""
        return self.lock is None and isinstance(self.policies.publish, Replace)

    def check_backend(self) -> None:
        """Raise ConfigurationError if there is no such store.

        Not with the rest: it makes a client, and one call may have options of its own.
        """
        if self.backend is None or isinstance(self.backend, Backend):
            return
        if not isinstance(self.backend, str):
            raise ConfigurationError(
                f"backend={without_password(repr(self.backend))}: must be a URL or a "
                "Backend object"
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
            key_from_option(self.key, Parameters(function, bound=bool(bound)))
        except ConfigurationError as error:
            if bound is not None or not callable(self.key):
                raise
            try:
                key_from_option(self.key, Parameters(function, bound=True))
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
    options = Options(**values)
    options.check_backend()
    return options


def check_pair(kind: LockType, policies: Policies) -> None:
    """Raise ConfigurationError for a policy that makes no sense with a lock type."""
    if isinstance(policies.publish, Replace) and not kind.taken_at_publish:
        raise ConfigurationError(
            f'on_duplicate="replace" with lock={kind.name!r}: a task that waits in the '
            'queue has no lock to take over; say lock="until_executing"'
        )
    if not kind.allows_cached and any(
        isinstance(policy, Cached) for policy in (policies.publish, policies.run)
    ):
        raise ConfigurationError(
            f'on_duplicate="cached" with lock={kind.name!r}: nobody could wait '
            'for the value; say lock="while_executing" or "until_executed"'
        )
