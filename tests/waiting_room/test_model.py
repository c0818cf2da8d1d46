"""Any order of events in several workers whose calls wait for one lock."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.waiting_room.world import Call, World

#: Calls of one test at most.
MOST = 12

search = settings(
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

some = st.integers(0, 1000)


Rule = TypeVar("Rule", bound=Callable[..., Any])


def any_of(things: str) -> Callable[[Rule], Rule]:
    """Only if the world has such things."""
    return precondition(lambda self: getattr(self.world, things))


class Reliable(RuleBasedStateMachine):
    """No message is lost, no worker dies, and no pause is over."""

    world = World(1, 1)
    calls = 0

    @initialize(workers=st.integers(1, 3), limit=st.integers(1, 3))
    def begin(self, workers: int, limit: int) -> None:
        self.world = World(workers, limit)

    def pick(self, things: str, number: int) -> Any:
        found = getattr(self.world, things)
        return found[number % len(found)]

    @rule(shared=st.booleans())
    @precondition(lambda self: self.calls < MOST)
    def publish(self, shared: bool) -> None:
        # Calls that share a value have a limit of 1.
        shared = shared and self.world.limit == 1
        self.world.queued.append(Call(f"c{self.calls}", shared))
        self.calls += 1

    @rule(number=some, worker=some)
    @any_of("queued")
    def arrive(self, number: int, worker: int) -> None:
        self.world.arrive(self.pick("queued", number), self.pick("names", worker))

    @rule(number=some)
    @any_of("asking")
    def ask(self, number: int) -> None:
        self.world.ask(self.pick("asking", number))

    @rule(number=some)
    @any_of("refused")
    def hear_of_refusal(self, number: int) -> None:
        self.world.hear_of_refusal(*self.pick("refused", number))

    @rule(number=some, succeeded=st.booleans())
    @any_of("holders")
    def end(self, number: int, succeeded: bool) -> None:
        self.world.end(self.pick("holders", number), succeeded)

    @rule(number=some)
    @any_of("told")
    def deliver(self, number: int) -> None:
        self.world.deliver(self.pick("told", number))

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @invariant()
    def no_lock_is_idle(self) -> None:
        world = self.world
        if not (world.told or world.asking or world.refused):
            assert not world.waiting() or world.free <= 0

    def teardown(self) -> None:
        finish(self.world)


class Unreliable(Reliable):
    """Messages are lost or come twice, workers die, and pauses are over."""

    @rule(number=some)
    @any_of("told")
    def lose(self, number: int) -> None:
        self.world.told.remove(self.pick("told", number))

    @rule(number=some)
    @any_of("told")
    def deliver_and_again(self, number: int) -> None:
        self.world.deliver(self.pick("told", number), again=True)

    @rule(number=some)
    @any_of("looks")
    def look(self, number: int) -> None:
        self.world.look(self.pick("looks", number))

    @rule(number=some)
    @any_of("asking")
    def revoke_started(self, number: int) -> None:
        self.world.revoke_started(self.pick("asking", number))

    @rule(number=some)
    @precondition(lambda self: self.world.waiting())
    def revoke_waiting(self, number: int) -> None:
        waiting = self.world.waiting()
        self.world.revoke_waiting(waiting[number % len(waiting)])

    @rule(worker=some, kill=st.booleans())
    def restart(self, worker: int, kill: bool) -> None:
        self.world.restart(self.pick("names", worker), kill)

    @rule(number=some)
    @any_of("dead")
    def end_by_time(self, number: int) -> None:
        self.world.dead.remove(self.pick("dead", number))

    @rule()
    def no_storm(self) -> None:
        """While no lock ends and no pause is over, calls come to rest."""
        self.world.settle(arrivals=True)

    @invariant()
    def no_lock_is_idle(self) -> None:
        pass  # until a pause is over: see finish()

    @invariant()
    def timers_are_few(self) -> None:
        for waiting in self.world.waiting():
            looks = [look for look in self.world.looks if look.waiting is waiting]
            assert 1 <= len(looks) <= 2


def finish(world: World) -> None:
    """Bring all to an end: every call runs, and nothing is left of any."""
    for _ in range(50 * MOST):
        world.settle(arrivals=True)
        if world.dead:
            world.dead.pop()
        elif world.holders:
            world.end(world.holders[0])
        elif world.waiting():
            world.look(min(world.looks, key=lambda look: look.due))
    assert not world.queued and not world.waiting()
    for room in world.rooms.values():
        assert not room.lines and not room.holders


# Seconds; but when it fails, it takes minutes to find the shortest way there.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", [Reliable, Unreliable])
def test_in_any_order_of_events_no_lock_is_idle_and_every_call_runs(machine):
    run_state_machine_as_test(machine, settings=search)
