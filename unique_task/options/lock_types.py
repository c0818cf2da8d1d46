"""The lock types: from when to when a lock is held, and under which names it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..backends.listing import PENDING, SUCCESSOR
from ..exceptions import ConfigurationError
from ..keys.digest import digest_of_run
from ..messages.lock_header import LockHeader


@dataclass(frozen=True)
class LockType:
    """From when to when a lock is held.

    =========================  ==========  =====================  ======================
    lock type                  taken       held                   released
    =========================  ==========  =====================  ======================
    while_executing            at start    while running          at the end of the body
    until_executing            at publish  pending                at start
    until_executed             at publish  pending, running, and  at the end of the last
                                           between retries        body
    until_expired              at publish  until ``expire``       only by time
                                           after publish
    until_and_while_executing  two locks: as until_executing, then as while_executing
    =========================  ==========  =====================  ======================

    A lock that is taken at publish is a reservation until its task starts. A task that
    runs always holds a lock of its own, which the reservation may become. Equal calls
    may run at once under some lock types, but two deliveries of one message never may.

    Attributes:
        name: as in ``lock=``.
        taken_at_publish: the lock is taken when the task is published.
        held_to_end: one lock is held from publish to the end of the task, over its
            retries too.
        ends_by_time: the lock ends when its time is over, whatever the task does.
        one_at_a_time: equal calls must not run at once: with ``limit=n`` not more than
            n of them.
        allows_cached: its duplicates may be given the value of a run.
        successor: this is the lock type of a successor, see :meth:`for_successor`.
    """

    # The name travels in messages: a wire format. So do the names of reservations and
    # runs, under which the store keeps locks.
    name: str
    taken_at_publish: bool = True
    held_to_end: bool = False
    ends_by_time: bool = False
    one_at_a_time: bool = False
    allows_cached: bool = False
    successor: bool = False

    @property
    def two_locks(self) -> bool:
        """True if the reservation and the lock of the run are two locks."""
        return self.taken_at_publish and (self.successor or not self.held_to_end)

    def reservation_name(self, key: str) -> str:
        """Return the name under which the store keeps the reservation."""
        if self.successor:
            return f"{key}{SUCCESSOR}"
        return f"{key}{PENDING}" if self.two_locks and self.one_at_a_time else key

    def reservation_names(self, key: str) -> tuple[str, ...]:
        """Return all names under which a lock may wait for a message."""
        name = self.reservation_name(key)
        return (name, key) if self.successor and self.held_to_end else (name,)

    def run_name(self, key: str, owner: str) -> str:
        """Return the name under which the store keeps the lock of a run of `owner`."""
        return key if self.one_at_a_time else digest_of_run(key, owner)

    def reservation_limit(self, limit: int) -> int:
        """Return how many reservations of a key there may be at once.

        Arguments:
            limit: how many attempts may hold the key.
        """
        waits_alone = self.two_locks and self.one_at_a_time and not self.successor
        return 1 if waits_alone else limit

    def run_limit(self, limit: int) -> int:
        """Return how many attempts may hold the lock of a run at once."""
        # Otherwise each run has a lock of its own, which no other run shares.
        return limit if self.one_at_a_time else 1

    def for_successor(self) -> LockType:
        """Return the lock type of a call that waits for the holder of its key.

        Its reservation has a name of its own and does not keep the call from running.
        It makes sure that a key has one successor at a time. The successor takes the
        lock of its own type when it starts. A lock that is held to the end of the task
        is handed to the successor, as it is to a retry.
        """
        return replace(self, taken_at_publish=True, ends_by_time=False, successor=True)


#: The lock types by name.
LOCK_TYPES: Mapping[str, LockType] = {
    kind.name: kind
    for kind in (
        LockType(
            "while_executing",
            taken_at_publish=False,
            one_at_a_time=True,
            allows_cached=True,
        ),
        LockType("until_executing"),
        LockType(
            "until_executed", held_to_end=True, one_at_a_time=True, allows_cached=True
        ),
        LockType("until_expired", ends_by_time=True),
        LockType("until_and_while_executing", one_at_a_time=True),
    )
}

#: The names of those that are taken when a task is published.
TAKEN_AT_PUBLISH = frozenset(
    name for name, kind in LOCK_TYPES.items() if kind.taken_at_publish
)


def lock_type(name: Any, option: str = "lock") -> LockType:
    """Return the lock type of that name.

    Arguments:
        option: the option or setting that has the name, for the error.

    Raises:
        ConfigurationError: if there is no such lock type.
    """
    if not isinstance(name, str) or name not in LOCK_TYPES:
        choices = ", ".join(map(repr, LOCK_TYPES))
        raise ConfigurationError(f"{option}={name!r}: allowed are {choices}")
    return LOCK_TYPES[name]


def lock_type_in(published: LockHeader) -> LockType | None:
    """Return the lock type under which a lock was reserved for a message.

    None if the message names none, or one of a newer version: only that knows the names
    under which the lock lives.
    """
    lock = LOCK_TYPES.get(published.lock or "")
    return lock.for_successor() if lock is not None and published.follows else lock
