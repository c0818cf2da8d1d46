"""Decides which waiting calls of a worker start next. It knows nothing of Celery.

A message that waits for a lock is kept by some worker until its time comes. When a run
of this worker releases the lock, the call that waits longest starts at once::

    child   A runs under the lock   | releases it, ends
    worker  B waits, C waits        | hears that A has ended: starts B
    child                           | B takes the lock, runs

No message is needed for that, and no store is asked. If the run is in another worker,
that worker is asked to tell when it ends; then the two take turns, so that the oldest
call of all is the next.

All this only makes calls start earlier than they would by themselves: by its own pause,
the oldest call of each worker asks the store from time to time. The others need not:
their turn comes after it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..messages.waits_for import WaitsFor
from .line import Line, Waiting
from .next_steps import Asks, Frees, Next
from .passed_over import PassedOver


class Room:
    """The calls that wait in one worker.

    Arguments:
        name: of the worker's node.
        runs: tells whether a task, by its id, runs in this worker or is about to.

    Attributes:
        lines: where calls wait, by the keys of the locks.
        holders: tasks of this worker that hold a lock, or ask for it, each with the
            line of that lock, and with the call if it has waited here.
    """

    def __init__(self, name: str, runs: Callable[[str], bool]) -> None:
        self.name = name
        self._runs = runs
        self.lines: dict[str, Line] = {}
        self.holders: dict[str, tuple[Line, Waiting | None]] = {}
        self._passed_over = PassedOver()

    def enter(self, waiting: Waiting) -> Next:
        """Note a call that begins to wait here."""
        line, following = self._line(waiting.waits_for.key), Next()
        line.add(waiting)
        self._watch(line, waiting.waits_for, following)
        return following

    def leave(self, waiting: Waiting) -> Next:
        """Note a call that ends without being started, as when it is revoked."""
        following = Next()
        if not waiting.left:
            line = self.lines[waiting.waits_for.key]
            self._remove(line, waiting, following)
            self._forget_unused(line)
        return following

    def look(self, waiting: Waiting, now: float) -> Next:
        """Decide about a call whose pause is over.

        Arguments:
            now: in seconds since 1970.
        """
        following = Next()
        if waiting.left:
            return following
        line = self.lines[waiting.waits_for.key]
        rank, left = line.rank(waiting), waiting.latest - now
        if left <= 0:
            self._start(line, waiting, following)
        elif rank >= line.limit:
            waiting.parked = True
            if not waiting.timed:
                waiting.timed = True
                following.look.append((left, waiting))
        elif not waiting.patient and self._are_busy(line, rank):
            # It may have lost its lock. So ask the store now and then all the same.
            waiting.patient = True
            more = max(0.0, waiting.waits_for.patience - waiting.pause)
            following.look.append((min(more, left), waiting))
        else:
            self._start(line, waiting, following)
        return following

    def _are_busy(self, line: Line, older: int) -> bool:
        """Tell whether the end of a run or of a question will call enough others."""
        return older + sum(map(self._runs, line.holders)) >= line.limit

    def ended(
        self,
        task: str,
        waiting: Waiting | None = None,
        *,
        succeeded: bool = False,
        back: WaitsFor | None = None,
    ) -> Next:
        """Note that a task of this worker has ended.

        Arguments:
            task: its id.
            waiting: the call, if it has waited here.
            succeeded: whether it has a value, which other calls may share.
            back: the lock that it waits for, if it has not got that, and comes back.
        """
        following = Next()
        line, started = self.holders.get(task, (None, None))
        # Its next message may come, and start, before the worker hears of its end.
        if line is None or started not in (None, waiting):
            return following
        del self.holders[task]
        line.holders.discard(task)
        if back is not None:
            self._came_back(line, back, following)
        else:
            self._passed_over.forget(line.key)
            self._free(line, following, succeeded)
        self._forget_unused(line)
        return following

    def asked(self, asks: Asks, worker: str) -> Next:
        """Note that calls in `worker` wait for a task that runs here."""
        following, line = Next(), self._line(asks.key)
        if self._runs(asks.holder):
            line.neighbours[worker] = asks.neighbour
            self._hold(line, asks.holder)
        else:
            tell = Frees(worker, asks.key, {}, holder=asks.holder)
            following.tell.append(tell)
        self._forget_unused(line)
        return following

    def freed(self, frees: Frees) -> Next:
        """Note that it is this worker's turn to start a call."""
        following, line = Next(), self._line(frees.key)
        if frees.holder is None:
            line.take_turn(self.name, frees.neighbours, frees.passed)
            self._free(line, following, frees.succeeded, frees.passed)
        else:
            self._pass_over(line, frees.holder, following)
        self._forget_unused(line)
        return following

    def clear(self) -> None:
        """Forget the calls that wait: their messages go back to the broker."""
        for line in list(self.lines.values()):
            for waiting in list(line):
                waiting.left = True
                line.remove(waiting)
            self._forget_unused(line)

    def _line(self, key: str) -> Line:
        return self.lines.get(key) or self.lines.setdefault(key, Line(key))

    def _watch(self, line: Line, waits_for: WaitsFor, following: Next) -> None:
        """See to it that this worker hears of the end of the holders."""
        holders = waits_for.holders
        self._passed_over.keep_only(line.key, (task for task, _ in holders))
        for task, worker in holders:
            if worker == self.name and self._runs(task):
                self._hold(line, task)
        for task, worker in holders:
            if worker != self.name:
                self._ask(line, task, worker, following)
            elif not self._runs(task):
                self._pass_over(line, task, following)

    def _ask(self, line: Line, task: str, worker: str, following: Next) -> None:
        neighbour = line.as_neighbour()
        known = task in line.asked or self._passed_over.has(line.key, task)
        if worker and neighbour is not None and not known:
            line.note_question(task)
            following.tell.append(Asks(worker, line.key, task, neighbour))

    def _pass_over(self, line: Line, task: str, following: Next) -> None:
        """Start a call, once for each holder that does not run where it should."""
        calls = not line.nobody_waits and not self._are_busy(line, 0)
        if calls and not self._passed_over.has(line.key, task):
            self._passed_over.add(line.key, task)
            self._free(line, following)

    def _came_back(self, line: Line, back: WaitsFor, following: Next) -> None:
        """Go on after a call that was started, and did not get the lock."""
        line.ask_again([task for task, _ in back.holders])
        self._watch(line, back, following)
        # Nobody here asks, so another worker has to.
        if not len(line) and not self._are_busy(line, 0):
            self._free(line, following)

    def _free(
        self,
        line: Line,
        following: Next,
        succeeded: bool = False,
        passed: tuple[str, ...] = (),
    ) -> None:
        """Start the call that waits longest, here or in another worker."""
        if succeeded:
            self._share(line, following)
        worker, oldest = line.older_neighbour(), line.oldest
        if oldest is not None and (worker is None or self.name in passed):
            self._start(line, oldest, following)
        elif worker is not None:
            others = line.pass_turn(worker, self.name)
            passed = (*passed, self.name)
            tell = Frees(worker, line.key, others, succeeded, passed=passed)
            following.tell.append(tell)

    def _share(self, line: Line, following: Next) -> None:
        """Start all calls that can go on now, wherever they wait."""
        for waiting in line.sharing():
            self._start(line, waiting, following)
        sharing = [name for name, one in line.neighbours.items() if one.shared]
        for worker in sharing:
            del line.neighbours[worker]
            following.tell.append(Frees(worker, line.key, {}, succeeded=True))

    def _start(self, line: Line, waiting: Waiting, following: Next) -> None:
        self._hold(line, waiting.id, waiting)
        self._remove(line, waiting, following)
        following.start.append(waiting)

    def _remove(self, line: Line, waiting: Waiting, following: Next) -> None:
        """Remove a call from its line; who is among the oldest now looks by turns."""
        line.remove(waiting)
        waiting.left = True
        # The oldest, too: the limit may have grown since it was parked.
        for one in (line.oldest, line.last_to_ask):
            if one is not None and one.parked:
                one.parked = False
                following.look.append((one.pause, one))

    def _hold(self, line: Line, task: str, waiting: Waiting | None = None) -> None:
        if waiting is not None or task not in self.holders:
            self.holders[task] = line, waiting
            line.holders.add(task)

    def _forget_unused(self, line: Line) -> None:
        if line.nobody_waits and not line.holders:
            self.lines.pop(line.key, None)
