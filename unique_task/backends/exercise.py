"""Takes each step of a lock's life once, to see whether the store allows them all."""

from __future__ import annotations

from .base import Backend
from .record import Record, Token
from .steps import Heir, Renewal, Reserved

#: Seconds until the store forgets what this leaves behind.
_SHORT = 5.0

#: A fence above all others: no later message takes the place of this one.
_LATEST = 2**52


def exercise(backend: Backend, key: str) -> None:
    """Take the steps of a lock's life, as tasks of all kinds do.

    A user of the store with some of the rights could pass the first tasks, and lose the
    lock of a later one.

    Raises:
        LockStoreError: if the store does not answer, or refuses a step.
    """
    _publish(backend, key)
    record, heir = _record("running"), _record("pending")
    taken = backend.acquire(
        *(key, record, _SHORT),
        accept_value=True,
        remember_for=_SHORT,
        generation=_LATEST,
    )
    fence = getattr(taken, "fence", None)
    backend.renew([Renewal(key, record, fence, _SHORT, _SHORT)])
    backend.get(key)
    backend.release(
        *(key, record.token),
        value=b"",
        fresh_for=_SHORT,
        finished_for=_SHORT,
        heir=Heir(heir, _SHORT),
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
    for record in (first, second):
        backend.release(key, record.token)


def _record(state: str) -> Record:
    return Record(Token.of_attempt("check"), state=state)
