"""Ten thousand calls that wait for one lock cost what ten times a thousand cost."""

import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from unique_task.messages.waits_for import WaitsFor
from unique_task.waiting.line import Waiting
from unique_task.waiting.next_steps import Next
from unique_task.waiting.passed_over import PassedOver
from unique_task.waiting.room import Room

NOW = 1000.0


def lines_of(work: Callable[[], object]) -> int:
    """Count the lines that `work` makes run."""
    counted = count()

    def trace(*_: Any) -> Any:
        next(counted)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return next(counted)


def crowd(number: int, limit: int = 1) -> tuple[Room, list[Waiting]]:
    """A room where so many calls wait for as many holders as may be."""
    running = [f"holder-{each}" for each in range(limit)]
    room = Room("here", running.__contains__)
    holders = tuple((task, "here") for task in running)
    waits_for = WaitsFor("key", holders[:50], limit)
    all_waiting = [
        Waiting(None, f"{each}", waits_for, each, 1.0, NOW + 900)
        for each in range(number)
    ]
    for waiting in all_waiting:
        room.enter(waiting)
    return room, all_waiting


@pytest.mark.parametrize("limit", [1, 100])
def test_an_event_costs_the_same_however_many_wait(limit):
    def cost(number: int) -> int:
        room, all_waiting = crowd(number, limit)
        late = Waiting(None, "late", all_waiting[0].waits_for, 5e5, 1.0, NOW + 900)

        def events() -> None:
            room.enter(late)
            room.look(late, NOW + 1)
            room.look(all_waiting[0], NOW + 1)
            room.ended("holder-0")
            room.leave(all_waiting[number // 2])

        return lines_of(events)

    assert cost(1_000) > 50
    assert cost(10_000) <= 1.1 * cost(1_000)


def test_an_event_costs_the_same_however_many_may_hold_the_lock():
    def cost(limit: int) -> int:
        room, _ = crowd(2 * limit, limit)
        return lines_of(lambda: room.ended("holder-0"))

    assert cost(10) > 10
    assert cost(1_000) <= 1.1 * cost(10)


def test_no_call_has_more_than_two_timers():
    room, all_waiting = crowd(100)
    timers = [1] * len(all_waiting)  # Celery's own, for the eta

    def note(following: Next) -> None:
        for _, waiting in following.look:
            timers[int(waiting.id)] += 1

    for _ in range(20):
        for waiting in all_waiting:
            timers[int(waiting.id)] -= 1
            note(room.look(waiting, NOW + 1))
        note(room.leave(all_waiting.pop(0)))

    assert max(timers) <= 2


def test_holders_that_were_passed_over_are_remembered_within_bounds():
    passed_over = PassedOver()
    for number in range(20_000):
        passed_over.add(f"{number}", "task")
        passed_over.add("key", f"{number}")

    assert len(passed_over) <= 10_000
