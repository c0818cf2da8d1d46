"""What a task does when an equal call is running already."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from celery import Task
from celery.exceptions import Ignore

from .durations import Duration, seconds
from .exceptions import ConfigurationError, DuplicateTaskError
from .requeue import Waited, come_back
from .settle import settle_and_ignore


@dataclass(frozen=True)
class Duplicate:
    """A call whose key is held by another attempt.

    Attributes:
        task: that was called.
        args: without the bound ``self``.
        kwargs: of the call.
        key: the digest that both calls share.
        owner: id of the task that holds the lock; None if the store does not tell.
        remaining: seconds for which the lock stands if nothing renews it.
        request: Celery's request; None for a direct call ``task(...)``.
        admitted: whether the task was let in before: retried, or delivered again after
            a crash. It waits then, whatever its policy.
    """

    task: Task
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: str
    owner: str | None
    remaining: float | None
    request: Any = None
    admitted: bool = False

    @property
    def queued(self) -> bool:
        """True if the call came from a queue, so that it can go back to it."""
        return self.request is not None and not self.request.is_eager

    @property
    def error(self) -> DuplicateTaskError:
        """The error that says so."""
        return DuplicateTaskError(self.key, self.owner, self.remaining)


#: Gets the duplicate; returns the value of the call, or raises.
Policy = Callable[[Duplicate], Any]


def ignore(duplicate: Duplicate) -> None:
    """Do not run; the result is settled as REVOKED, so that nobody waits for it."""
    if duplicate.queued:
        reason = f"duplicate of {duplicate.owner}"
        settle_and_ignore(duplicate.task, duplicate.request, reason)
    if duplicate.request is not None:
        raise Ignore(f"duplicate of {duplicate.owner}")


def fail(duplicate: Duplicate) -> None:
    """Fail with :class:`DuplicateTaskError`."""
    raise duplicate.error


def skip(value: Any = None) -> Policy:
    """Succeed at once with `value`, so that a chain or chord goes on."""
    return lambda duplicate: value


def retry(
    *,
    countdown: Duration = 1,
    backoff: float = 2,
    maximum: Duration = 30,
    jitter: bool = True,
    timeout: Duration | None = None,
) -> Policy:
    """Come back later, without touching the task's own retry budget.

    Arguments:
        countdown: seconds to the first return.
        backoff: each wait is so many times as long as the one before.
        maximum: longest wait in seconds; keep it below the broker's visibility timeout.
        jitter: take a random part, at least half, of each wait.
        timeout: seconds after which the task fails with :class:`DuplicateTaskError`.
            None to wait as long as it takes, or until the message expires.

    Raises:
        ConfigurationError: for a value that makes no sense.
    """
    number = isinstance(backoff, (int, float)) and not isinstance(backoff, bool)
    if not number or not 1 <= backoff < math.inf:
        raise ConfigurationError(f"backoff={backoff!r}: must be a number, 1 or more")
    if not isinstance(jitter, bool):
        raise ConfigurationError(f"jitter={jitter!r}: allowed are True and False")
    return Wait(
        seconds("countdown", countdown),
        float(backoff),
        seconds("maximum", maximum),
        jitter,
        None if timeout is None else seconds("timeout", timeout, zero=True),
    )


@dataclass(frozen=True)
class Wait:
    """The policy that :func:`retry` makes; times are seconds."""

    countdown: float = 1
    backoff: float = 2
    maximum: float = 30
    jitter: bool = True
    timeout: float | None = None

    def __call__(self, duplicate: Duplicate) -> None:
        if not duplicate.queued:
            raise duplicate.error
        waited = Waited.of(duplicate.request)
        countdown = self.next_countdown(waited.times)
        if self.timeout is not None:
            left = waited.since + self.timeout - time.time()
            if left <= 0:
                raise duplicate.error
            countdown = min(countdown, left)
        come_back(
            duplicate.task,
            duplicate.request,
            countdown,
            duplicate.error,
            admitted=duplicate.admitted,
        )

    def next_countdown(self, times: int) -> float:
        """Return how long to wait after having waited so many `times`."""
        try:
            countdown = min(self.maximum, self.countdown * self.backoff**times)
        except OverflowError:
            countdown = self.maximum
        return countdown * random.uniform(0.5, 1) if self.jitter else countdown


def cached(ttl: Duration | None = None) -> Policy:
    """Return the value of the last successful run; wait for it while that still runs.

    Arguments:
        ttl: seconds for which a value is fresh; None for the task's ``expire``.

    Raises:
        ConfigurationError: for a `ttl` that makes no sense.
    """
    return Cached(None if ttl is None else seconds("ttl", ttl))


@dataclass(frozen=True)
class Cached:
    """The policy that :func:`cached` makes; the guard hands out fresh values itself."""

    ttl: float | None = None

    def __call__(self, duplicate: Duplicate) -> None:
        Wait()(duplicate)


#: The short forms of ``on_duplicate=``.
POLICIES: Mapping[str, Policy] = {
    "ignore": ignore,
    "skip": skip(),
    "cached": cached(),
    "retry": retry(),
    "raise": fail,
}


def policy_from(value: Any, name: str = "on_duplicate") -> Policy | None:
    """Return the policy that ``on_duplicate=`` names, for a duplicate at run.

    None if it names one for the time of publishing only.

    Arguments:
        name: of the option or setting, for the error.

    Raises:
        ConfigurationError: if there is no such policy.
    """
    if not isinstance(value, Mapping):
        return _policy_named(value, name)
    if not value or not value.keys() <= {"publish", "run"}:
        raise ConfigurationError(f'{name}={value!r}: the keys are "publish" and "run"')
    policies = {when: _policy_named(choice, name) for when, choice in value.items()}
    return policies.get("run")


def _policy_named(value: Any, name: str) -> Policy:
    if isinstance(value, str) and value in POLICIES:
        return POLICIES[value]
    if value in (skip, retry, cached):
        raise ConfigurationError(
            f"{name}={value.__name__}: say {value.__name__}(), with parentheses"
        )
    if callable(value):
        policy: Policy = value
        return policy
    raise ConfigurationError(
        f"{name}={value!r}: allowed are {', '.join(map(repr, POLICIES))}, "
        "a policy such as retry(countdown=5), a callable, or "
        '{"publish": ..., "run": ...}'
    )
