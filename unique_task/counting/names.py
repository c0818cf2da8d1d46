"""Names of the counters: a wire format, which processes of all versions share."""

from __future__ import annotations

from collections.abc import Mapping

#: Bodies that ran under a lock, counted when the lock is released.
RUNS = "runs"

#: How long they had held it.
HELD_SECONDS = "held_seconds"

#: Bodies whose lock was lost before they released it.
LOST = "lost"

#: Calls to whom the store did not answer: a message that was published, one that came
#: to its worker, a run that was to release its lock.
STORE_ERRORS = "store_errors"

#: How often a call went back to its queue because its key was held.
WAITS = "waits"

#: Calls that got the lock, or a value in its place, after they had gone back.
WAITED = "waited"

#: How long they had waited since they first went back.
WAITED_SECONDS = "waited_seconds"

#: Messages whose place a later one took.
REPLACED = "replaced"

#: Calls that got the value of an earlier run. All but those that had waited for it are
#: among the duplicates, too.
CACHED = "cached"

#: The counters of what takes some time, and those of the seconds that it took.
SECONDS_OF = {RUNS: HELD_SECONDS, WAITED: WAITED_SECONDS}

_DUPLICATES = "duplicates"
_SHADOW = "shadow"


def duplicates(policy: str, at: str) -> str:
    """Return the counter of the duplicates to which a policy was applied.

    Arguments:
        policy: as the user writes it, without parameters; ``callable`` for a function.
        at: ``publish``, ``run`` or ``call``.
    """
    return f"{_DUPLICATES}.{policy}.{at}"


def shadow(policy: str, at: str) -> str:
    """Return the counter of calls that ran, and would have been such duplicates."""
    return f"{_SHADOW}.{policy}.{at}"


def duplicates_in(amounts: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Return the amounts of :func:`duplicates`, by policy and place."""
    return _by_policy(_DUPLICATES, amounts)


def shadow_in(amounts: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Return the amounts of :func:`shadow`, by policy and place."""
    return _by_policy(_SHADOW, amounts)


def _by_policy(kind: str, amounts: Mapping[str, float]) -> dict[tuple[str, str], float]:
    found = {}
    for name, amount in amounts.items():
        # A newer version may have names of more parts.
        before, *parts = name.split(".")
        if before == kind and len(parts) == 2:
            found[parts[0], parts[1]] = amount
    return found
