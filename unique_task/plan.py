"""What the options of a task and the settings of its app come to."""

from __future__ import annotations

from dataclasses import dataclass

from .options import Options, check_lock_type
from .policies import Cached, Policy, ignore, policy_from
from .settings import Settings


@dataclass(frozen=True)
class Plan:
    """How the calls of a task are guarded; times are seconds.

    Attributes:
        policy: what a duplicate does at run.
        renew: whether the lock is held by leases.
        lease: how long the lock stands after it was taken or renewed.
        fresh: how long the value of a run is handed out; None if it is not stored.
        remember: how long it is known of an attempt that it has finished.
        on_unavailable: what happens when the store does not answer.
    """

    policy: Policy
    renew: bool
    lease: float
    fresh: float | None
    remember: float
    on_unavailable: str


def plan_of(options: Options, settings: Settings, expire: float) -> Plan:
    """Return the plan for locks that stand for `expire` seconds if nothing renews them.

    Raises:
        ConfigurationError: if a setting makes no sense.
    """
    check_lock_type(settings.lock, "unique_lock")
    by_setting = policy_from(settings.on_duplicate, "unique_on_duplicate")
    policy = options.policy or by_setting or ignore
    renew = settings.renew if options.renew is None else options.renew
    lease = min(expire, settings.lease) if renew else expire
    fresh = (policy.ttl or expire) if isinstance(policy, Cached) else None
    return Plan(
        policy, renew, lease, fresh, settings.redelivery, settings.on_unavailable
    )
