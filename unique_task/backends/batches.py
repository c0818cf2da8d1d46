"""Renews many locks batch by batch, so that a batch that fails costs no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..exceptions import LockStoreError
from .renewing import Renewal, RenewAnswer, Renewed

#: Locks in one batch. Thousands in one statement are too many for PostgreSQL's stack
#: and SQLite's variables, and keep a Redis from its other work.
MOST = 300


def in_batches(
    renew: Callable[[Sequence[Renewal]], Sequence[RenewAnswer]],
    renewals: Sequence[Renewal],
    patience: float,
) -> list[RenewAnswer]:
    """Return the answers of `renew` to all batches, UNKNOWN for a batch that fails.

    Arguments:
        patience: seconds for which batches may fail; then the store is down, and the
            other batches are UNKNOWN without a question.

    Raises:
        LockStoreError: if no batch succeeds.
    """
    outcomes: list[RenewAnswer] = []
    errors: list[LockStoreError] = []
    for first in range(0, len(renewals), MOST):
        batch, begun = renewals[first : first + MOST], time.monotonic()
        try:
            outcomes += renew(batch) if patience > 0 else _unknown(batch)
        except LockStoreError as error:
            errors.append(error)
            outcomes += _unknown(batch)
            patience -= time.monotonic() - begun
    if errors and set(outcomes) == {Renewed.UNKNOWN}:
        raise errors[0]
    return outcomes


def _unknown(batch: Sequence[Renewal]) -> list[Renewed]:
    return [Renewed.UNKNOWN] * len(batch)
