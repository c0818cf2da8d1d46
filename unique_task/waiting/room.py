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

#: Holders to remember for one lock at most, where remembering only saves work.
_MOST = 100


class Room:
    """The calls that wait in one worker.

    Arguments:
        name: of the worker's node.
        runs: tells whether a task, by its id, runs in this worker or is about to.
    """

    def __init__(self, name: str, runs: Callable[[str], bool]) -> None:
        self.name = name
        self._runs = runs
        self.lines: dict[str, Line] = {}
        self._of_holders: dict[str, Line] = {}

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
            self._remove(waiting, following)
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
        if now >= waiting.latest:
            self._start(line, waiting, following)
        elif line.rank(waiting) >= line.limit:
            waiting.parked = True
            following.look.append((waiting.latest - now, waiting))
        elif not waiting.patient and self._are_busy(line, line.rank(waiting)):
            # It may have lost its lock. So ask the store now and then all the same.
            waiting.patient = True
            more = max(0.0, waiting.waits_for.patience - waiting.pause)
            following.look.append((min(more, waiting.latest - now), waiting))
        else:
            self._start(line, waiting, following)
        return following

    def _are_busy(self, line: Line, older: int) -> bool:
        """Tell whether the end of a run or of a question will call enough others."""
        return older + sum(map(self._runs, line.holders)) >= line.limit

    def ended(
        self, task: str, *, succeeded: bool = False, back: WaitsFor | None = None
    ) -> Next:
        """Note that a task of this worker has ended.

        Arguments:
            task: its id.
            back: the lock that it waits for, if it has not got that, and comes back.
        """
        following, line = Next(), self._of_holders.pop(task, None)
        if line is None:
            return following
        line.holders.discard(task)
        if back is not None and len(line):
            self._watch(line, back, following)
        elif back is not None:
            self._free(line, following)  # to a neighbour, if there is one
        else:
            line.passed_over.clear()
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
        others = {w: n for w, n in frees.neighbours.items() if w != self.name}
        line.neighbours.update(others)
        line.asked.clear()
        if frees.holder is None:
            line.passed_over.clear()
        if frees.holder is None or self._is_new(line.passed_over, frees.holder):
            self._free(line, following, frees.succeeded)
        self._forget_unused(line)
        return following

    def clear(self) -> None:
        """Forget all: the messages go back to the broker."""
        for line in self.lines.values():
            for waiting in line:
                waiting.left = True
        self.lines.clear()
        self._of_holders.clear()

    def _line(self, key: str) -> Line:
        return self.lines.get(key) or self.lines.setdefault(key, Line(key))

    def _watch(self, line: Line, waits_for: WaitsFor, following: Next) -> None:
        """See to it that this worker hears of the end of the holders."""
        here = [task for task, worker in waits_for.holders if worker == self.name]
        for task in filter(self._runs, here):
            self._hold(line, task)
        for task, worker in waits_for.holders:
            if worker != self.name:
                self._ask(line, task, worker, following)
            # It has ended before its worker heard that a call waits for it.
            elif not self._are_busy(line, 0) and self._is_new(line.passed_over, task):
                self._free(line, following)

    def _ask(self, line: Line, task: str, worker: str, following: Next) -> None:
        neighbour = line.as_neighbour()
        if task in line.passed_over or neighbour is None or not worker:
            return
        if self._is_new(line.asked, task):
            following.tell.append(Asks(worker, line.key, task, neighbour))

    @staticmethod
    def _is_new(known: set[str], task: str) -> bool:
        """Tell whether a task is not known yet, and note it."""
        if task in known:
            return False
        if len(known) >= _MOST:
            known.clear()
        known.add(task)
        return True

    def _free(self, line: Line, following: Next, succeeded: bool = False) -> None:
        """Start the call that waits longest, here or in another worker."""
        line.asked.clear()
        if succeeded:
            self._share(line, following)
        worker, oldest = line.pop_older_neighbour(), line.oldest
        if worker is not None:
            others, own = dict(line.neighbours), line.as_neighbour()
            if own is not None:
                others[self.name] = own
            following.tell.append(Frees(worker, line.key, others, succeeded))
        elif oldest is not None:
            self._start(line, oldest, following)

    def _share(self, line: Line, following: Next) -> None:
        """Start all calls that can go on now, wherever they wait."""
        for waiting in line.sharing():
            self._start(line, waiting, following)
        sharing = [name for name, one in line.neighbours.items() if one.shared]
        for worker in sharing:
            del line.neighbours[worker]
            following.tell.append(Frees(worker, line.key, {}, succeeded=True))

    def _start(self, line: Line, waiting: Waiting, following: Next) -> None:
        self._hold(line, waiting.id)
        self._remove(waiting, following)
        following.start.append(waiting)

    def _remove(self, waiting: Waiting, following: Next) -> None:
        """Remove a call from its line; those that are the oldest now look by turns."""
        line = self.lines[waiting.waits_for.key]
        line.remove(waiting)
        waiting.left = True
        for oldest in line.first():
            if oldest.parked:
                oldest.parked = False
                following.look.append((oldest.pause, oldest))
        self._forget_unused(line)

    def _hold(self, line: Line, task: str) -> None:
        self._of_holders[task] = line
        line.holders.add(task)

    def _forget_unused(self, line: Line) -> None:
        if line.unused and self.lines.get(line.key) is line:
            del self.lines[line.key]
            for task in line.holders:
                self._of_holders.pop(task, None)
