"""The lock of the running body, with what only a held one has."""

from unique_task import current_lock
from unique_task.leases.held_lease import HeldLease


def held_lock() -> HeldLease:
    """Return the lock of the running body, which has to be guarded."""
    lock = current_lock()
    assert isinstance(lock, HeldLease)
    return lock
