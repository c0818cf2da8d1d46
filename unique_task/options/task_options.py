"""The options of ``@unique``, checked where they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from ..backends.base import Backend
from ..backends.registry import backend_class, check_is_backend
from ..durations import Duration, seconds
from ..exceptions import ConfigurationError
from ..keys.arguments import Parameters
from ..keys.key_option import KeyOption, check_callable, key_from_option
from .limit import check_limit, check_limit_with
from .lock_types import LockType, lock_type
from .option_types import LimitOption
from .policies import Cached, Replace
from .policy_names import Policies, policies_from


@dataclass(frozen=True)
class Options:
    """The options of one task; an option that is None follows the settings."""

    key: KeyOption = None
    expire: Duration | None = None
    on_duplicate: Any = None
    lock: str | None = None
    limit: LimitOption = None
    renew: bool | None = None
    namespace: str | None = None
    backend: Backend | str | None = None

    def __post_init__(self) -> None:
        if self.expire is not None:
            seconds("expire", self.expire)
        policies = self.policies
        check_limit(self.limit)
        check_limit_with(self.limit, policies)
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
                    'taken when a task is published; "publish" has no effect'
                )
        if self.renew not in (None, True, False):
            raise ConfigurationError(
                f"renew={self.renew!r}: allowed are True and False"
            )
        if self.namespace is not None and not (
            isinstance(self.namespace, str) and self.namespace
        ):
            raise ConfigurationError(
                f"namespace={self.namespace!r}: must be a string that is not empty"
            )

    @property
    def policies(self) -> Policies:
        """The policies that ``on_duplicate`` asks for."""
        given = self.on_duplicate
        return Policies() if given is None else policies_from(given)

    @property
    def needs_lock_at_publish(self) -> bool:
        """True if the policy does not fit each lock type that settings may choose."""
        return self.lock is None and isinstance(self.policies.publish, Replace)

    def check_backend(self) -> None:
        """Raise ConfigurationError if `backend` names no backend.

        Apart from the other checks, because it makes a client: calls with options of
        their own do not need that again.
        """
        if self.backend is None:
            return
        check_is_backend("backend", self.backend)
        if isinstance(self.backend, str):
            backend_class(self.backend, "backend").from_url(self.backend, timeout=1)

    def check_parameters(
        self, function: Callable[..., Any], bound: bool | None = None
    ) -> None:
        """Raise ConfigurationError if `key` or `limit` does not fit `function`.

        Arguments:
            bound: whether its first parameter is the task itself; None if that is not
                known yet: then a callable may take that parameter or leave it out.
        """
        _check_fits(partial(key_from_option, self.key), self.key, function, bound)
        if callable(self.limit):
            check = partial(check_callable, "limit", self.limit)
            _check_fits(check, self.limit, function, bound)


def _check_fits(
    check: Callable[[Parameters], object],
    option: object,
    function: Callable[..., Any],
    bound: bool | None,
) -> None:
    """Call `check` with the parameters that a task made of `function` has."""
    try:
        check(Parameters(function, bound=bool(bound)))
    except ConfigurationError as error:
        if bound is not None or not callable(option):
            raise
        try:
            check(Parameters(function, bound=True))
        except ConfigurationError:
            raise error from None


def options_from(values: Mapping[str, Any], name: str) -> Options:
    """Return the options in `values`.

    Arguments:
        name: of the function or attribute that was given them, for the error.

    Raises:
        ConfigurationError: for an unknown option or a value that is not allowed.
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
    """Raise ConfigurationError for a policy that does not go with a lock type."""
    if isinstance(policies.publish, Replace) and not kind.taken_at_publish:
        raise ConfigurationError(
            f'on_duplicate="replace" with lock={kind.name!r}: a task that waits in the '
            'queue has no lock to take over; use lock="until_executing"'
        )
    if not kind.allows_cached and any(
        isinstance(policy, Cached) for policy in (policies.publish, policies.run)
    ):
        raise ConfigurationError(
            f'on_duplicate="cached" with lock={kind.name!r}: no call could '
            'wait for the value; use lock="while_executing" or "until_executed"'
        )
