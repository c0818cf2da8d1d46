"""The lock types: from when to when a lock is held, and under which names it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..exceptions import ConfigurationError
from ..keys.digest import digest_of_run


@dataclass(frozen=True)
class LockType:
    """From when to when a lock is held.

    A lock that is taken at publish is a reservation until its task starts. A task that
    runs always holds a lock of its own, which the reservation may become: even where
    equal calls may run at once, two deliveries of one message must not.

    Attributes:
        name: as in ``lock=``.
        at_publish: whether it is taken when the task is published.
        whole: whether one lock is held from there to the end of the task, over its
            retries too.
        window: whether it stands until its time is over, whatever the task does.
        exclusive: whether equal calls must not run at once.
        cached: whether its duplicates may be given the value of a run.
        successor: whether it is that of a successor, see :meth:`of_successor`.
    """

    name: str
    at_publish: bool = True
    whole: bool = False
    window: bool = False
    exclusive: bool = False
    cached: bool = False
    successor: bool = False

    @property
    def apart(self) -> bool:
        """True if the reservation and the lock of the run are two."""
        return self.at_publish and (self.successor or not self.whole)

    def reservation(self, key: str) -> str:
        """Return under what the store keeps the lock that is taken at publish."""
        if self.successor:
            return f"{key}.successor"
        return f"{key}.pending" if self.apart and self.exclusive else key

    def reservations(self, key: str) -> tuple[str, ...]:
        """Return all names under which a lock may wait for a message."""
        handed_on = self.successor and self.whole
        return (self.reservation(key), key) if handed_on else (self.reservation(key),)

    def of_successor(self) -> LockType:
        """Return the lock type of a call that waits for who holds its key.

        Its reservation, under a name of its own, does not keep it from running: it says
        that there is one, so that a key has one successor at a time. What the lock type
        itself asks for is done when it starts. Where one lock is held to the end of the
        task, that goes on to the successor as it does to a retry.
        """
        return replace(self, at_publish=True, window=False, successor=True)

    def run(self, key: str, owner: str) -> str:
        """Return under what the store keeps the lock of the task `owner` that runs."""
        return key if self.exclusive else digest_of_run(key, owner)


#: The lock types by their names.
LOCK_TYPES: Mapping[str, LockType] = {
    kind.name: kind
    for kind in (
        LockType("while_executing", at_publish=False, exclusive=True, cached=True),
        LockType("until_executing"),
        LockType("until_executed", whole=True, exclusive=True, cached=True),
        LockType("until_expired", window=True),
        LockType("until_and_while_executing", exclusive=True),
    )
}


def lock_type(name: Any, option: str = "lock") -> LockType:
    """Return the lock type of that name.

    Arguments:
        option: or setting that names it, for the error.

    Raises:
        ConfigurationError: if there is none.
    """
    if not isinstance(name, str) or name not in LOCK_TYPES:
        choices = ", ".join(map(repr, LOCK_TYPES))
        raise ConfigurationError(f"{option}={name!r}: allowed are {choices}")
    return LOCK_TYPES[name]
