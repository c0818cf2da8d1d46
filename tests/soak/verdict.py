"""What a soak has shown: what was wrong, and whether enough has happened to tell."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import states

from tests.soak.diary import Note

#: What of a kind of trouble is shown in full.
SHOWN = 5


@dataclass
class Verdict:
    """Counts for people.

    Attributes:
        happened: how often each kind of event was seen; none may be missing.
        wrong: what must not be, with a line for each case.
        aside: numbers that may be anything.
    """

    happened: dict[str, int]
    wrong: dict[str, list[str]]
    aside: dict[str, object] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        return [name for name, count in self.happened.items() if not count]

    @property
    def passed(self) -> bool:
        return not self.missing and not any(self.wrong.values())

    def table(self) -> str:
        rows: dict[str, object] = {**self.happened, **self.aside}
        lines = [f"  {name:<42} {value:>7}" for name, value in rows.items()]
        wrong = [f"  {name:<42} {len(cases):>7}" for name, cases in self.wrong.items()]
        lines = ["happened", *lines, "wrong", *wrong]
        for name, cases in self.wrong.items():
            lines += [f"{name}: {case}" for case in cases[:SHOWN]]
        lines += [f"did not happen at all: {name}" for name in self.missing]
        return "\n".join([*lines, "passed" if self.passed else "FAILED"])


class Account:
    """What the diary and the results say of the tasks.

    Arguments:
        sent: ids, and whether each has to run.
        outcomes: what is stored as their results.
    """

    def __init__(
        self,
        notes: Iterable[Note],
        sent: Mapping[str, bool],
        outcomes: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.notes = list(notes)
        self._sent = sent
        self._outcomes = outcomes
        self._begun = {note.task_id for note in self.notes if note.event == "begin"}
        self._ended = {note.task_id for note in self.notes if note.event == "end"}

    def events(self) -> Counter[str]:
        """How often there was each event, and each way to arrive."""
        arrivals = (
            note.detail.split()[0] for note in self.notes if note.event == "arrive"
        )
        return Counter(note.event for note in self.notes) + Counter(arrivals)

    def revoked(self) -> int:
        return sum(self._state(id) == states.REVOKED for id in self._sent)

    def longer_than(self, lease: float) -> int:
        """How many bodies ran to their end for longer than a lease."""
        begun: dict[tuple[int, str], float] = {}
        count = 0
        for note in self.notes:
            if note.event == "begin":
                begun[note.pid, note.task_id] = note.when
            elif note.event == "end":
                count += note.when - begun[note.pid, note.task_id] > lease
        return count

    def overlaps(self) -> list[str]:
        return [
            f"{note.when:.3f}: {note.task_id} of key {note.detail}"
            for note in self.notes
            if note.event == "overlap"
        ]

    def ran_again(self) -> list[str]:
        """Runs of a task after the store has heard that the task has finished.

        Before, a task whose message is delivered again may run again: only the killed
        process knew that it had got to its end. A task ends, releases its lock, stores
        its outcome, and tells the store that it has finished. A process that goes on to
        another task has done all of that, unless the store did not answer.
        """
        ended: dict[int, str] = {}
        finished: set[str] = set()
        found = []
        for note in self.notes:
            if note.event == "end":
                ended[note.pid] = note.task_id
            elif note.event == "unfinished":
                ended.pop(note.pid, None)
            elif note.event == "arrive" and note.pid in ended:
                finished.add(ended.pop(note.pid))
            elif note.event == "begin" and note.task_id in finished:
                found.append(f"{note.when:.3f}: {note.task_id}")
        return found

    def lost(self) -> list[str]:
        """Tasks that have no outcome, or that of a duplicate though they had to run."""
        settled = {True: (states.SUCCESS,), False: (states.SUCCESS, states.REVOKED)}
        return [
            self._story(task_id)
            for task_id, sure in self._sent.items()
            if self._state(task_id) not in settled[sure]
        ]

    def contradictions(self) -> list[str]:
        return [self._story(task_id) for task_id in self._sent if self._odd(task_id)]

    def _odd(self, task_id: str) -> bool:
        state = self._state(task_id)
        if state == states.REVOKED:
            # A task that was let in once is never a duplicate, killed or not.
            return task_id in self._begun
        if state == states.SUCCESS:
            result = self._outcomes[task_id]["result"]
            return task_id not in self._ended or result != task_id
        return task_id in self._ended

    def _state(self, task_id: str) -> str:
        return str(self._outcomes.get(task_id, {}).get("status", states.PENDING))

    def _story(self, task_id: str) -> str:
        notes = [note for note in self.notes if note.task_id == task_id]
        told = ", ".join(
            f"{note.event} {note.detail}".strip() + f" in {note.pid} at {note.when:.3f}"
            for note in notes[-8:]
        )
        return f"{task_id} is {self._state(task_id)}: {told}"
