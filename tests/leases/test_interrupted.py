"""A time limit that ends a task's thread anywhere leaves nothing locked for others."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event
from types import FrameType
from typing import Any

import pytest

from tests.leases.test_many_leases import lease_in
from unique_task import MemoryBackend
from unique_task.backends.sql.fork_gate import ForkGate
from unique_task.leases.background import StoreReleases
from unique_task.leases.held_lease import HeldLease
from unique_task.leases.keeper import StoreKeeper

pytestmark = pytest.mark.any_celery


class TooLate(Exception):
    """Like Celery's soft time limit, which is raised anywhere."""


def broken_off(call: Callable[[], object]) -> Iterator[bool]:
    """Call it again and again, and raise an error at another moment each time.

    Signals are handled as a function begins, and after each call that it makes. Yields
    whether it was broken off, for the last time that it was not.
    """
    for moment in count():
        before = sys.gettrace()
        sys.settrace(raising_at(moment))
        try:
            call()
        except TooLate:
            broken = True
        else:
            broken = False
        finally:
            sys.settrace(before)
        yield broken
        if not broken:
            return


def raising_at(moment: int) -> Callable[..., Any]:
    """A trace function that raises an error when so many have begun or ended."""
    moments = count()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if event in ("call", "return") and next(moments) == moment:
            raise TooLate
        return trace

    return trace


@pytest.fixture
def keeper(task):
    store, keeper = MemoryBackend(), StoreKeeper()
    leases = [lease_in(store, task, 3000, HeldLease)]
    keeper.add(leases[0])

    def add() -> None:
        # Due before the thread would look again.
        leases.append(lease_in(store, task, 300, HeldLease))
        keeper.add(leases[-1])

    yield keeper, add
    for lease in leases:
        keeper.remove(lease)


@pytest.fixture
def releases():
    releases, over = StoreReleases("store"), Event()
    # It keeps the thread busy.
    releases.add(lambda: over.wait(100))
    yield releases, lambda: releases.add(bool)
    over.set()


@pytest.fixture
def gate():
    gate = ForkGate(bool, patience=0)

    def fork_in_the_middle() -> None:
        gate._shut = False
        gate.use(gate._before_fork)
        gate._after_in_parent()

    return gate, fork_in_the_middle


@pytest.mark.parametrize("what", ["keeper", "releases", "gate"])
def test_a_lock_of_a_process_is_free_wherever_an_operation_was_broken_off(
    what, request
):
    locked, operation = request.getfixturevalue(what)

    def is_free() -> bool:
        free: bool = locked._changed.acquire(timeout=5)
        if free:
            locked._changed.release()
        return free

    with ThreadPoolExecutor(1) as other_thread:
        moments = [
            broken
            for broken in broken_off(operation)
            if other_thread.submit(is_free).result(30) or pytest.fail("it is locked")
        ]
    assert len(moments) > 5
