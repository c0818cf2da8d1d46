"""For how long keys were blocked by bodies that had been killed."""

from collections.abc import Callable, Iterable
from statistics import median

from tests.soak.diary import Note


class Blocking:
    """Follows the notes: who asked for the key of a killed body, and when it ran again.

    Attributes:
        seconds: between the first arrival after a kill and the next body of its key.
    """

    def __init__(self, notes: Iterable[Note]) -> None:
        self.seconds: list[float] = []
        self._running: dict[int, str] = {}
        self._dead: set[str] = set()
        self._asked: dict[str, float] = {}
        follow: dict[str, Callable[[Note], None]] = {
            "arrive": self._arrive,
            "begin": self._begin,
            "end": self._end,
            "kill": self._kill,
        }
        for note in notes:
            if note.event in follow:
                follow[note.event](note)

    def median(self) -> float:
        return round(median(self.seconds or [0.0]), 2)

    def _arrive(self, note: Note) -> None:
        key = note.detail.split()[1]
        if key in self._dead:
            self._asked.setdefault(key, note.when)

    def _begin(self, note: Note) -> None:
        key = note.detail
        self._running[note.pid] = key
        self._dead.discard(key)
        if key in self._asked:
            self.seconds.append(note.when - self._asked.pop(key))

    def _end(self, note: Note) -> None:
        self._running.pop(note.pid, None)

    def _kill(self, note: Note) -> None:
        key = self._running.pop(int(note.detail), None)
        if key is not None:
            self._dead.add(key)
            self._asked.pop(key, None)
