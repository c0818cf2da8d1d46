"""What happened, line by line in one file, whoever saw it: no server is involved."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Note:
    """One thing that a process did with a task, for the people with its time."""

    when: float
    pid: int
    event: str
    task_id: str
    detail: str = ""


class Diary:
    """Notes of many processes, in the order in which they were made.

    What a process has noted stays when it is killed, because one write to a file that
    is opened for appending is one step of the kernel.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, event: str, task_id: str, detail: object = "") -> None:
        line = f"{time.time():.6f} {os.getpid()} {event} {task_id} {detail}\n"
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def read(self) -> Iterator[Note]:
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            when, pid, event, task_id, detail = line.split(" ", 4)
            yield Note(float(when), int(pid), event, task_id, detail)
