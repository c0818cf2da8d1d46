"""The plan of a task, its options combined with the settings, and that of a call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..backends.base import Backend
from ..messages.lock_header import LockHeader
from .duplicate import Policy
from .limit import Limit, check_limit_with
from .lock_types import LockType, lock_type
from .policies import Cached, Wait, ignore, retry
from .policy_names import Policies, policies_from
from .settings import Settings
from .task_options import Options, check_pair


@dataclass(frozen=True)
class Plan:
    """How the calls of a task are guarded; times are seconds.

    Attributes:
        lock: from when to when the lock is held.
        publish_policy: what happens to a duplicate when it is published.
        run_policy: what happens to a duplicate when it runs.
        expire: how long the lock stands if nothing renews it.
        renew: whether the lock of a run is a lease, which is renewed.
        lease: how long a lease stands after it was taken or renewed.
        value_ttl: how long duplicates are given the value of a run; None if it is not
            stored.
        remember_for: how long the store remembers that an attempt has finished.
        on_unavailable: what happens when the store does not answer.
        limit: how many attempts may hold one key at once; a callable gets the
            arguments of the call.
    """

    lock: LockType
    publish_policy: Policy
    run_policy: Policy
    expire: float
    renew: bool
    lease: float
    value_ttl: float | None
    remember_for: float
    on_unavailable: str
    limit: Limit = 1

    def for_successor(self) -> Plan:
        """Return the plan of a successor: it is no duplicate, and waits without end."""
        policy = self.run_policy
        wait = replace(policy, timeout=None) if isinstance(policy, Wait) else Wait()
        lock = self.lock.for_successor()
        return replace(self, lock=lock, publish_policy=ignore, run_policy=wait)


@dataclass
class CallPlan:
    """How one call is guarded.

    Attributes:
        published: the lock header of its message, if it has one.
        guarded: False if all guards are switched off, but a lock is reserved for the
            message.
        limit: how many attempts may hold the key at once.
        shadow: whether the call runs in any case, and is only counted.
    """

    plan: Plan
    backend: Backend
    key: str
    published: LockHeader | None
    guarded: bool = True
    limit: int = 1
    shadow: bool = False


def plan_of(options: Options, settings: Settings, expire: float) -> Plan:
    """Combine a task's options with its app's settings.

    Arguments:
        expire: seconds that a lock stands if nothing renews it.

    Raises:
        ConfigurationError: if they do not fit together.
    """
    by_setting = lock_type(settings.lock, "unique_lock")
    lock = by_setting if options.lock is None else lock_type(options.lock)
    publish, run = _policies(lock, options.policies, settings)
    check_pair(lock, Policies(publish, run))
    check_limit_with(options.limit, Policies(publish, run))
    renew = settings.renew if options.renew is None else options.renew
    return Plan(
        lock=lock,
        publish_policy=publish,
        run_policy=run,
        expire=expire,
        renew=renew,
        lease=min(expire, settings.lease) if renew else expire,
        value_ttl=_value_ttl((run, publish), expire),
        remember_for=settings.redelivery,
        on_unavailable=settings.on_unavailable,
        limit=1 if options.limit is None else options.limit,
    )


def _policies(
    lock: LockType, given: Policies, settings: Settings
) -> tuple[Policy, Policy]:
    """Return the policies at publish and at run; those not given have defaults."""
    default = policies_from(settings.on_duplicate, "unique_on_duplicate")
    # A call that may wait in the queue while an equal one runs must wait for its end.
    waits = lock.two_locks and lock.one_at_a_time
    run = given.run or (retry() if waits else default.run) or ignore
    return given.publish or default.publish or ignore, run


def _value_ttl(policies: Iterable[Policy], expire: float) -> float | None:
    for policy in policies:
        if isinstance(policy, Cached):
            return policy.ttl or expire
    return None
