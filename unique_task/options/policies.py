"""The policies: what happens to a duplicate."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from math import inf
from sys import float_info
from typing import Any

from ..durations import Duration, seconds
from ..exceptions import ConfigurationError
from ..messages.requeue import requeue
from ..messages.states import Ended, end_as_revoked
from ..messages.waited import Waited
from ..messages.waits_for import WaitsFor
from .duplicate import Duplicate, Policy, send_waits


def ignore(duplicate: Duplicate) -> None:
    """Do not run; store REVOKED as the result, so that no caller waits for it."""
    if duplicate.queued:
        end_as_revoked(duplicate.task, duplicate.request, duplicate.refusal)
    if duplicate.request is not None:
        raise Ended(duplicate.refusal)


def fail(duplicate: Duplicate) -> None:
    """Fail with :class:`DuplicateTaskError`."""
    raise duplicate.error


def skip(value: Any = None) -> Policy:
    """Succeed at once with `value`, so that a chain or chord goes on."""
    return Skip(value)


@dataclass(frozen=True)
class Skip:
    """The policy that :func:`skip` makes."""

    value: Any = None

    def __call__(self, duplicate: Duplicate) -> Any:
        return self.value


def retry(
    *,
    countdown: Duration = 1,
    backoff: float = 2,
    maximum: Duration = 30,
    jitter: bool = True,
    timeout: Duration | None = None,
) -> Policy:
    """Come back later. The task's own budget of retries stays as it is.

    Arguments:
        countdown: seconds to the first return; no wait is shorter than 0.1 s.
        backoff: factor between one wait and the next.
        maximum: longest wait in seconds; keep it below the broker's visibility timeout.
        jitter: shorten each wait to a random part of it, at least half.
        timeout: seconds after which the task fails with :class:`DuplicateTaskError`.
            None to wait without a limit, until the message expires.

    Raises:
        ConfigurationError: for a value that is not allowed.
    """
    number = isinstance(backoff, (int, float)) and not isinstance(backoff, bool)
    if not number or not 1 <= backoff <= float_info.max:
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

    def __call__(self, duplicate: Duplicate, shared: bool = False) -> None:
        if not duplicate.queued:
            raise duplicate.error
        waited = Waited.of(duplicate.request)
        until = None if self.timeout is None else waited.since + self.timeout
        left = inf if until is None else until - time.time()
        if left <= 0:
            raise duplicate.error
        waits_for = WaitsFor.of(
            duplicate.key,
            duplicate.holders,
            limit=duplicate.limit,
            shared=shared,
            patience=self.maximum,
            until=until,
        )
        send_waits(duplicate, waited)
        requeue(
            duplicate.task,
            duplicate.request,
            min(self.next_countdown(waited.times), left, _left_of_hold(duplicate)),
            duplicate.error,
            admitted=duplicate.admitted,
            waits_for=waits_for,
        )

    def next_countdown(self, times: int) -> float:
        """Return the seconds to wait after so many waits before."""
        try:
            countdown = min(self.maximum, self.countdown * self.backoff**times)
        except OverflowError:
            countdown = self.maximum
        return countdown * random.uniform(0.5, 1) if self.jitter else countdown


def _left_of_hold(duplicate: Duplicate) -> float:
    """Return the seconds until a hold ends, which an operator does not renew."""
    if duplicate.hold is None or duplicate.remaining is None:
        return inf
    return duplicate.remaining


def cached(ttl: Duration | None = None) -> Policy:
    """Return the value of the last successful run; wait for it while that still runs.

    Arguments:
        ttl: seconds for which a value is fresh; None for the task's ``expire``.

    Raises:
        ConfigurationError: if `ttl` is no duration above zero.
    """
    return Cached(None if ttl is None else seconds("ttl", ttl))


@dataclass(frozen=True)
class Cached:
    """The policy that :func:`cached` makes; the guard itself returns fresh values."""

    ttl: float | None = None

    def __call__(self, duplicate: Duplicate) -> None:
        Wait()(duplicate, shared=True)


def replace(
    *, countdown: Duration | None = None, max_wait: Duration | None = None
) -> Policy:
    """Take the place of an equal call that waits in the queue and has not started.

    The earlier call ends when it arrives, with REVOKED as its result. A call that runs
    already, or belongs to a canvas, is not replaced: then the new one is ignored. Only
    for lock types that are taken at publish.

    Arguments:
        countdown: seconds after which a call runs that has no countdown or eta of its
            own, so that of a burst of calls the last one runs (debounce).
        max_wait: seconds after the first of those that replaced each other after which
            the last one is due; None to let them put it off for ever. What is due is
            not replaced any more, also if its queue is behind.

    Raises:
        ConfigurationError: for a value that is not allowed.
    """
    return Replace(
        None if countdown is None else seconds("countdown", countdown, zero=True),
        None if max_wait is None else seconds("max_wait", max_wait),
    )


@dataclass(frozen=True)
class Replace:
    """The policy that :func:`replace` makes; times are seconds."""

    countdown: float | None = None
    max_wait: float | None = None

    def __call__(self, duplicate: Duplicate) -> None:
        ignore(duplicate)


def shares_result(policy: Policy) -> bool:
    """Tell whether a duplicate at publish is given the holder's result."""
    return policy is ignore or isinstance(policy, (Skip, Cached, Replace))


#: The classes of policies, by the names that users write; a wire format in counters.
_KINDS = {Skip: "skip", Cached: "cached", Wait: "retry", Replace: "replace"}


def kind_of(policy: Policy) -> str:
    """Return the name of a policy without parameters; ``callable`` for a user's own."""
    if policy is ignore:
        return "ignore"
    return "raise" if policy is fail else _KINDS.get(type(policy), "callable")
