"""Calls of one key in two workers: the key is in use, and each begins as it came."""

import heapq
import random
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.waiting_room.world import Call, World

#: Seconds that each step takes.
BY_BROKER = 0.005
IN_WORKER = 0.002
BETWEEN = 0.001

CALLS = 100
WORKERS = 2

LENGTHS: dict[str, Callable[[random.Random], float]] = {
    "short": lambda _: 0.1,
    "long": lambda _: 1.0,
    "random": lambda draw: draw.expovariate(2),
}


class Simulation:
    """A world where time passes, from the moment when all calls are published."""

    def __init__(self, length: Callable[[random.Random], float], seed: int) -> None:
        self.world, self.draw, self.length = (
            World(WORKERS, 1),
            random.Random(seed),
            length,
        )
        self.events: list[tuple[float, int, Callable[[], object]]] = []
        self.numbers, self.planned = count(), set[int]()
        self.keep: list[object] = []
        self.lengths: list[float] = []
        self.began: list[int] = []
        self.now = self.over = 0.0
        self.world.queued = [Call(f"{number}") for number in range(CALLS)]

    def run(self) -> None:
        self._plan()
        while self.events:
            self.now, _, event = heapq.heappop(self.events)
            self.world.now = max(self.world.now, 1000.0 + self.now)
            event()
            self._plan()

    def _plan(self) -> None:
        """Give each step that can be done now its moment."""
        world = self.world
        for call in world.queued:
            worker, seconds = self.draw.choice(world.names), BY_BROKER
            if call.waits_for is None:
                seconds += int(call.id) * BETWEEN
            self._once(call, seconds, partial(world.arrive, call, worker))
        for call in world.asking:
            self._once((call, "asks"), IN_WORKER, partial(self._ask, call))
        for refused in world.refused:
            ended = partial(world.hear_of_refusal, *refused)
            self._once(refused, IN_WORKER, ended)
        for told in world.told:
            self._once(told, BY_BROKER, partial(world.deliver, told))
        for look in world.looks:
            self._once(look, look.due - 1000 - self.now, partial(world.look, look))

    def _once(self, thing: Any, seconds: float, event: Callable[[], object]) -> None:
        key = hash(thing)
        if key not in self.planned:
            self.planned.add(key)
            self.keep.append(thing)  # or its hash would come again
            moment = self.now + max(0.0, seconds)
            heapq.heappush(self.events, (moment, next(self.numbers), event))

    def _ask(self, call: Call) -> None:
        if self.world.ask(call):
            seconds = self.length(self.draw)
            self.lengths.append(seconds)
            self.began.append(int(call.id))
            self.over = self.now + seconds
            self._once((call, "ends"), seconds, partial(self.world.end, call))


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("seed", range(3))
def test_a_hot_key_is_in_use_and_its_calls_begin_as_they_came(name, seed):
    simulation = Simulation(LENGTHS[name], seed)
    simulation.run()

    assert sum(simulation.lengths) / simulation.over > 0.85
    assert simulation.world.count["arrivals"] <= 2.5 * CALLS
    assert sorted(simulation.began) == list(range(CALLS))
    for place, call in enumerate(simulation.began):
        assert place <= call + 5
