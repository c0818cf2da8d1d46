"""Frees the lock of a body, in the background if the store does not answer."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from ..backends.base import Backend
from ..backends.steps import Release
from ..exceptions import LockStoreError
from .background import release_later

logger = logging.getLogger(__name__)

#: Bytes that some store may not take; it seldom says why.
_BIG = 2**18


def free_or_later(
    backend: Backend, what: Release, whose: str, end: float
) -> bool | None:
    """Free a lock, now or in the background; never raise.

    Arguments:
        what: to free, and what the attempt leaves behind.
        whose: the lock is, for the log.
        end: when it ends by itself, by the monotonic clock.

    Returns:
        Whether it was still held; None if the store does not answer.
    """
    try:
        return _freed(backend, what)
    except LockStoreError as error:
        if what.value is not None and len(what.value) > _BIG:
            logger.warning(
                "%s: its value of %d bytes is not kept for duplicates: %s",
                *(whose, len(what.value), error),
            )
            held = free_or_later(backend, replace(what, value=None), whose, end)
            # Only the answer may have been late: then it is free already.
            return None if held is None else True
        logger.warning(
            "%s could not free its lock, which ends in %.1f s at most: %s",
            *(whose, max(0.0, end - time.monotonic()), error),
        )
        release_later(backend, what.key, what.token, what.heir)
        return None


def _freed(backend: Backend, what: Release) -> bool:
    return backend.release(
        what.key,
        what.token,
        value=what.value,
        fresh_for=what.fresh_for,
        heir=what.heir,
        leaving=what.leaving,
    )
