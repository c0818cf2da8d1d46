"""Who waits for whom when a process has more to do than a store has connections."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest

from tests.forking import in_fork
from tests.waiting import wait_until
from unique_task import LockStoreError
from unique_task.backends.turns import Turns

LONG = 60


@contextmanager
def turn(turns: Turns, urgent: bool) -> Iterator[None]:
    """An operation in its turn, which the store answers."""
    turns.begin(urgent)
    answered = False
    try:
        yield
        answered = True
    finally:
        turns.end(urgent, answered)


@pytest.fixture
def turns() -> Turns:
    return Turns("store", count=4, timeout=LONG)


def test_who_frees_a_lock_does_not_wait_for_those_who_start(turns):
    begun, over = [], Event()

    def start() -> None:
        with turn(turns, False):
            begun.append(1)
            assert over.wait(LONG)

    with ThreadPoolExecutor(8) as threads:
        started = [threads.submit(start) for _ in range(8)]
        wait_until(lambda: len(begun) == 3)
        with turn(turns, True):
            pass
        assert len(begun) == 3
        over.set()
    assert len(begun) == len([one.result() for one in started]) == 8


def test_no_more_are_under_way_than_there_are_connections(turns):
    with turn(turns, True), turn(turns, True), turn(turns, False), turn(turns, False):
        late = Turns("store", count=4, timeout=0.01)
        late._all = turns._all
        with pytest.raises(LockStoreError, match="store: all 4 connections"):
            late.begin(urgent=True)


def test_one_connection_is_enough():
    turns = Turns("store", count=1, timeout=LONG)

    with turn(turns, False):
        pass
    with turn(turns, True):
        pass


def test_who_waits_in_vain_gives_up_early_if_the_store_answers_nobody():
    turns = Turns("store", count=1, timeout=0.2)

    with turn(turns, False):
        with pytest.raises(LockStoreError, match="for 0.1 s"):
            turns.begin(urgent=False)
        turns._answers += 1  # as if another had been answered meanwhile

    with turn(turns, False):
        pass


def test_an_operation_that_fails_gives_its_turn_back(turns):
    for urgent in [True, False] * 4:
        with pytest.raises(ValueError), turn(turns, urgent):
            raise ValueError

    with turn(turns, False), turn(turns, False), turn(turns, False), turn(turns, True):
        pass


def test_a_fork_has_all_turns_though_its_parent_is_in_the_middle(turns):
    with turn(turns, False), turn(turns, False), turn(turns, False), turn(turns, True):

        def child() -> bool:
            with turn(turns, False), turn(turns, True):
                return True

        assert in_fork(child)
