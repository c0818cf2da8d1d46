"""Tries each step of a store once, with all that it may ask the server for."""

from __future__ import annotations

from .base import Backend
from .record import Record, Token
from .steps import Heir, Renewal, Reserved

#: Seconds for which anything that this leaves behind stands.
_SHORT = 5.0

#: A fence that no other is greater than: nobody takes the place of this one.
_LATEST = 2**52


def exercise(backend: Backend, key: str) -> None:
    """Take the steps of a lock's life, as tasks of all kinds do.

    Who may do most of them passes the first tasks, and loses the lock of a later one.

    Raises:
        LockStoreError: if the store does not answer, or refuses a step.
    """
    _publish(backend, key)
    record, heir = _record("running"), _record("pending")
    taken = backend.acquire(
        key, record, _SHORT, accept_value=True, remember_for=_SHORT, generation=_LATEST
    )
    fence = getattr(taken, "fence", None)
    backend.renew([Renewal(key, record, fence, _SHORT, _SHORT)])
    backend.get(key)
    left = Heir(heir, _SHORT)
    backend.release(
        key, record.token, value=b"", fresh_for=_SHORT, finished_for=_SHORT, heir=left
    )
    backend.release(key, heir.token)


def _publish(backend: Backend, key: str) -> None:
    """Reserve the lock for a message, replace that by another, and give it back."""
    first, second = _record("pending"), _record("pending")
    backend.reserve(key, first, _SHORT)
    answer = backend.reserve(
        key, second, _SHORT, replace_within=_SHORT, remember_for=_SHORT
    )
    if isinstance(answer, Reserved) and answer.replaced is not None:
        backend.restore(key, second.token, answer.replaced)
        backend.restore(key, second.token, answer.replaced)
    for one in (first, second):
        backend.release(key, one.token)


def _record(state: str) -> Record:
    return Record(str(Token.of_attempt("check")), state=state)
