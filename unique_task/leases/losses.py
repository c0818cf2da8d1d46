"""How a lock was lost, in words for the body, the log and the signal ``lock_lost``."""

from __future__ import annotations

from ..backends.base import Backend
from ..backends.renewing import ReleasedBy, RenewAnswer, Renewed
from ..exceptions import LockStoreError

#: The time of the lease is over, as far as this process knows.
OVER = "its lease ended before it was renewed"

_NOT_HELD = "it was not held any more when the task ended"

_LOSSES: dict[RenewAnswer, str] = {
    Renewed.TAKEN: "another task holds it",
    Renewed.RETAKEN: "it had vanished from the store, and was taken again",
}


def loss_by(outcome: RenewAnswer) -> str | None:
    """Return how a lock was lost, by the outcome of a renewal; None if it was not."""
    if isinstance(outcome, ReleasedBy):
        return f"released by {outcome.name}"
    return _LOSSES.get(outcome)


def loss_at_end(backend: Backend, lock: str, token: str) -> str:
    """Return how a lock was lost that its task did not hold any more at its end."""
    try:
        name = backend.released_by(lock, token)
    except LockStoreError as error:
        return f"{_NOT_HELD}; why cannot be told: {error}"
    return _NOT_HELD if name is None else f"released by {name}"
