"""What the options of a task and the settings of its app come to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .duplicate import Policy
from .lock_types import LockType, lock_type
from .policies import Cached, Wait, ignore, retry
from .policy_names import Choice, choice_from
from .settings import Settings
from .task_options import Options, check_pair


@dataclass(frozen=True)
class Plan:
    """How the calls of a task are guarded; times are seconds.

    Attributes:
        lock: from when to when the lock is held.
        publish: what a duplicate does when it is published.
        run: what it does when it runs.
        expire: how long the lock stands if nothing renews it.
        renew: whether the lock of a run is held by leases.
        lease: how long that stands after it was taken or renewed.
        fresh: how long the value of a run is handed out; None if it is not stored.
        remember: how long it is known of an attempt that it has finished.
        on_unavailable: what happens when the store does not answer.
    """

    lock: LockType
    publish: Policy
    run: Policy
    expire: float
    renew: bool
    lease: float
    fresh: float | None
    remember: float
    on_unavailable: str

    def of_successor(self) -> Plan:
        """Return the plan for a call that waits for who holds its key."""
        # However long that takes: it is no duplicate.
        wait = replace(self.run, timeout=None) if isinstance(self.run, Wait) else Wait()
        return replace(self, lock=self.lock.of_successor(), publish=ignore, run=wait)


def plan_of(options: Options, settings: Settings, expire: float) -> Plan:
    """Return the plan for locks that stand for `expire` seconds if nothing renews them.

    Raises:
        ConfigurationError: if a setting makes no sense.
    """
    by_setting = lock_type(settings.lock, "unique_lock")
    lock = by_setting if options.lock is None else lock_type(options.lock)
    choice = _choice(lock, options.choice, settings)
    check_pair(lock, choice)
    renew = settings.renew if options.renew is None else options.renew
    lease = min(expire, settings.lease) if renew else expire
    assert choice.publish is not None and choice.run is not None
    return Plan(
        lock,
        choice.publish,
        choice.run,
        expire,
        renew,
        lease,
        _fresh(choice, expire),
        settings.redelivery,
        settings.on_unavailable,
    )


def _choice(lock: LockType, said: Choice, settings: Settings) -> Choice:
    """Return what a duplicate does, and the defaults where nothing is said."""
    default = choice_from(settings.on_duplicate, "unique_on_duplicate")
    # What may wait in the queue while an equal call runs has to wait for its end.
    waits = lock.apart and lock.exclusive
    run = said.run or (retry() if waits else default.run) or ignore
    return Choice(said.publish or default.publish or ignore, run)


def _fresh(choice: Choice, expire: float) -> float | None:
    for policy in (choice.run, choice.publish):
        if isinstance(policy, Cached):
            return policy.ttl or expire
    return None
