"""What the keeper renews, one step at a time."""

from __future__ import annotations

from collections.abc import Iterable
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from ..backends.base import Backend
from ..backends.steps import Renewal, RenewAnswer

if TYPE_CHECKING:
    from .keeper import StoreKeeper


class Renewable(Protocol):
    """What the keeper renews: leases, and the marks of attempts that are leaving.

    Only one thread at a time may ask the store for something about one lock. The
    keeper's thread renews a lock, any thread may extend it, and mostly the task's
    thread releases it. Together they could leave a lock that no attempt holds::

        keeper, helper  renews, extends  ------------------>  no lock: takes it again
        task                               releases the lock ->

    So each of these is a step, and one step follows the other. A thread that releases
    or extends a lock waits for the step under way. The keeper does not wait: it leaves
    out a lock that is in the middle of another step, and renews all others. Receivers
    of signals are called after a step, not in it.

    Attributes:
        renew_at: when it is renewed next.
        step: is held by the thread that takes a step. Reentrant, for a step in the
            handler of a signal in the middle of another.
        released: whether it has no more steps.
        kept_by: renews it; None before and after.
    """

    backend: Backend
    renew_at: float
    step: RLock
    released: bool
    kept_by: StoreKeeper | None

    @property
    def interval(self) -> float: ...

    def remaining(self) -> float: ...

    def renewal(self, now: float) -> Renewal: ...

    def renewed(self, outcome: RenewAnswer, asked_at: float) -> str | None: ...

    def note_loss(self, reason: str, *, in_thread: bool) -> None: ...


def begin_step(lease: Renewable) -> bool:
    """Begin a step without waiting; return False if there is none to take now."""
    if not lease.step.acquire(blocking=False):
        return False
    if lease.released:
        lease.step.release()
    return not lease.released


def lose_ended(leases: Iterable[Renewable]) -> None:
    """Note the loss of the leases that have ended, which nothing could renew."""
    for lease in leases:
        if not lease.remaining():
            lease.note_loss(
                "its lease ended while it could not be renewed", in_thread=True
            )
