"""Workers with their waiting rooms, one lock, and the messages between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from unique_task.messages.waits_for import WaitsFor
from unique_task.waiting.line import Waiting
from unique_task.waiting.next_steps import Asks, Frees, Next
from unique_task.waiting.room import Room

KEY = "key"


@dataclass(eq=False)
class Call:
    """A call of the guarded task: its message, and how far it has come."""

    id: str
    shared: bool = False
    since: float | None = None
    waits_for: WaitsFor | None = None
    waiting: Waiting | None = None
    worker: str = ""
    times: int = 0

    @property
    def pause(self) -> float:
        """Seconds until it asks for the lock by itself, as the policy has it."""
        return min(30.0, 2.0 ** (self.times - 1))

    def __repr__(self) -> str:
        return self.id


@dataclass(frozen=True, eq=False)
class Told:
    """A message between two workers, on its way."""

    sender: str
    message: Asks | Frees


@dataclass(eq=False)
class Look:
    """A timer of a worker."""

    worker: str
    due: float
    waiting: Waiting


class World:
    """What happens to calls, one event at a time, in the order that a test chooses.

    Attributes:
        queued: calls whose messages no worker has received.
        asking: calls that a worker has started, and that ask for the lock.
        refused: those that did not get it, and whose end their worker has not seen.
        holders: calls that hold the lock.
        dead: those whose worker has died, and whose lock has not ended.
        told: messages between workers that are on their way.
    """

    def __init__(self, workers: int, limit: int) -> None:
        self.limit = limit
        self.now = 1000.0
        self.names = [f"w{number}" for number in range(workers)]
        self.queued: list[Call] = []
        self.asking: list[Call] = []
        self.refused: list[tuple[Call, WaitsFor]] = []
        self.holders: list[Call] = []
        self.dead: list[Call] = []
        self.told: list[Told] = []
        self.looks: list[Look] = []
        self.pools: dict[str, set[str]] = {name: set() for name in self.names}
        self.rooms = {name: self._room(name) for name in self.names}
        self.count: Counter[str] = Counter()

    def _room(self, name: str) -> Room:
        return Room(name, lambda task: task in self.pools[name])

    def waiting(self) -> list[Waiting]:
        """Return the calls that wait in a worker."""
        rooms = self.rooms.values()
        return [each for room in rooms for line in room.lines.values() for each in line]

    @property
    def free(self) -> int:
        """How many calls more can have the lock."""
        return self.limit - len(self.holders) - len(self.dead)

    def arrive(self, call: Call, worker: str) -> None:
        """Deliver the message of a call to a worker."""
        self.queued.remove(call)
        self.count["arrivals"] += 1
        call.worker = worker
        if call.waits_for is None:
            self.pools[worker].add(call.id)
            self.asking.append(call)
            return
        assert call.since is not None
        waiting = Waiting(
            call, call.id, call.waits_for, call.since, call.pause, self.now + 900
        )
        call.waiting = waiting
        self.do(worker, self.rooms[worker].enter(waiting))
        self.looks.append(Look(worker, self.now + call.pause, waiting))

    def ask(self, call: Call) -> bool:
        """Let a call ask for the lock; if it is refused, its message is sent again."""
        self.asking.remove(call)
        if self.free > 0:
            self.holders.append(call)
            return True
        self.count["refused"] += 1
        call.since = call.since or self.now
        call.times += 1
        held = tuple((each.id, each.worker) for each in self.holders + self.dead)
        waits_for = WaitsFor(KEY, held, self.limit, call.shared)
        again = Call(call.id, call.shared, call.since, waits_for, times=call.times)
        self.queued.append(again)
        self.refused.append((call, waits_for))
        return False

    def hear_of_refusal(self, call: Call, waits_for: WaitsFor) -> None:
        """Let the worker see that a call of its own was refused."""
        self.refused.remove((call, waits_for))
        self._end(call, back=waits_for)

    def end(self, call: Call, succeeded: bool = True) -> None:
        """End a run: its lock is released, and its worker sees it."""
        self.holders.remove(call)
        self.count["ends"] += 1
        self._end(call, succeeded=succeeded)

    def _end(self, call: Call, **how: Any) -> None:
        self.pools[call.worker].discard(call.id)
        self.do(
            call.worker, self.rooms[call.worker].ended(call.id, call.waiting, **how)
        )

    def look(self, look: Look) -> None:
        """Let a timer be over."""
        self.looks.remove(look)
        self.now = max(self.now, look.due)
        if not look.waiting.left:
            self.count["looks"] += 1
        self.do(look.worker, self.rooms[look.worker].look(look.waiting, self.now), True)

    def deliver(self, told: Told, again: bool = False) -> None:
        """Deliver a message to another worker.

        Arguments:
            again: whether it comes once more later.
        """
        if not again:
            self.told.remove(told)
        message = told.message
        room = self.rooms[message.worker]
        if isinstance(message, Asks):
            self.count["asks"] += 1
            self.do(message.worker, room.asked(message, told.sender))
        else:
            self.count["frees"] += 1
            self.do(message.worker, room.freed(message))

    def revoke_started(self, call: Call) -> None:
        """End a call that was started, before it asks for the lock."""
        self.asking.remove(call)
        self._end(call)

    def revoke_waiting(self, waiting: Waiting) -> None:
        """End a call that waits."""
        worker = waiting.request.worker
        self.do(worker, self.rooms[worker].leave(waiting))

    def settle(self, arrivals: bool = False) -> None:
        """Let all go on that needs neither the end of a run nor that of a pause.

        Arguments:
            arrivals: whether calls arrive, too, at one worker after another.
        """
        starts, told = self._bounds()
        while self.told or self.asking or self.refused or (arrivals and self.queued):
            if self.asking:
                self.ask(self.asking[0])
            elif self.refused:
                self.hear_of_refusal(*self.refused[0])
            elif self.told:
                self.deliver(self.told[0])
            else:
                worker = self.names[self.count["arrivals"] % len(self.names)]
                self.arrive(self.queued[0], worker)
            assert self.count["starts"] <= starts, "a storm of calls"
            assert (
                self.count["asks"] + self.count["frees"] <= told
            ), "a storm of messages"

    def _bounds(self) -> tuple[int, int]:
        """Return how many starts and messages there can be until calls come to rest.

        A call may start for each message that is on its way, for each call that has
        started, and once in each worker for each holder of the lock; all that share a
        value, for each message that tells of it.
        """
        going = len(self.told) + len(self.asking)
        going += len(self.refused) + len(self.queued)
        shared = sum(waiting.waits_for.shared for waiting in self.waiting())
        starts = going + self.limit * (len(self.names) + 1)
        starts += (shared + going) * len(self.told)
        told = going + 2 * self.limit * len(self.names) * starts
        return (
            self.count["starts"] + starts,
            self.count["asks"] + self.count["frees"] + told,
        )

    def restart(self, worker: str, kill: bool) -> None:
        """Let a worker lose its connection, or die: its messages come again."""
        for waiting in [
            each for each in self.waiting() if each.request.worker == worker
        ]:
            call = waiting.request
            self.queued.append(
                Call(call.id, call.shared, call.since, call.waits_for, times=call.times)
            )
        self.rooms[worker].clear()
        if kill:
            self._kill(worker)

    def _kill(self, worker: str) -> None:
        self.rooms[worker] = self._room(worker)
        self.pools[worker] = set()
        for call in [each for each in self.holders if each.worker == worker]:
            self.holders.remove(call)
            self.dead.append(call)
        for call in [each for each in self.asking if each.worker == worker]:
            self.asking.remove(call)
            self.queued.append(
                Call(call.id, call.shared, call.since, call.waits_for, times=call.times)
            )
        self.refused = [each for each in self.refused if each[0].worker != worker]
        self.told = [each for each in self.told if each.sender != worker]

    def do(self, worker: str, following: Next, looked: bool = False) -> None:
        """Do what a room decides, as a worker does."""
        for waiting in following.start:
            self._start(worker, waiting, looked)
        for seconds, waiting in following.look:
            assert seconds >= 0
            self.looks.append(Look(worker, self.now + seconds, waiting))
        for message in following.tell:
            assert message.worker != worker
            self.told.append(Told(worker, message))

    def _start(self, worker: str, waiting: Waiting, looked: bool) -> None:
        call = waiting.request
        assert call.worker == worker
        assert call not in self.asking and call not in self.holders
        assert waiting.left
        self.count["starts"] += 1
        self.pools[worker].add(call.id)
        self.asking.append(call)
        if looked or waiting.waits_for.shared:
            return
        line = self.rooms[worker].lines.get(KEY)
        older = [each for each in line or () if each.since < waiting.since]
        assert not older, f"{call} started before {older}"
