"""A limit of threads, as the system sets it and lifts it again."""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Bytes that each new thread would need, and those left for all else.
STACK = 2**30
ROOM = 2**28


@contextmanager
def no_new_threads() -> Iterator[None]:
    """Let this process start no thread: "can't start new thread".

    For a fork of the test's process, which may not have what it needs afterwards.
    """
    before, stack = resource.getrlimit(resource.RLIMIT_AS), threading.stack_size(STACK)
    resource.setrlimit(resource.RLIMIT_AS, (_used() + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        threading.stack_size(stack)


def _used() -> int:
    """Bytes of address space."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()
