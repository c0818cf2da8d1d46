"""Lets only one thread at a time ask the store for something about one lock."""

from __future__ import annotations

from threading import RLock


class OneStep:
    """The steps of one lock in the store, taken one after the other.

    The keeper's thread renews a lock, any thread may extend it, and mostly the task's
    thread releases it. Together they could leave a lock that no attempt holds::

        keeper, helper  renews, extends  ------------------>  no lock: takes it again
        task                               releases the lock ->

    So each of these is a step. A thread that releases or extends a lock waits for the
    step under way, by ``with``. The keeper does not wait: it leaves out a lock that is
    in the middle of another step, and renews all others. A released lock has no more
    steps. Receivers of signals are called after a step, not in it.

    Attributes:
        over: whether the lock was released.
    """

    def __init__(self) -> None:
        self.over = False
        # Reentrant, for a step in the handler of a signal in the middle of another.
        self._lock = RLock()

    def begin(self) -> bool:
        """Begin a step without waiting; return False if there is none to take now."""
        begun = self._lock.acquire(blocking=False)
        if begun and self.over:
            self.end()
            return False
        return begun

    def end(self) -> None:
        """End the step that this thread has begun."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
