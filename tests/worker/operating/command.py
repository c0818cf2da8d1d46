"""The real ``celery`` command, with the entry points that setup.cfg declares."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tests.docs.test_readme import ROOT
from tests.programs import LIMIT, unmeasured
from tests.worker.forked import start_celery


def install_entry_points(directory: Path) -> None:
    """Make a distribution with our commands there, as ``pip install`` does.

    The one that is installed may be of another version of this code.
    """
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    points = setup["options.entry_points"]["celery.commands"]
    info = directory / "unique_task_commands-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: unique_task_commands\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[celery.commands]{points}\n")


@dataclass
class Done:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[Any]:
        """What it printed with ``--json``."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        """The lines of its output, in words."""
        return [line.split() for line in self.out.splitlines()]


@dataclass
class Unique:
    """Calls ``celery -A tests.worker.app unique ...``.

    Attributes:
        directory: with our entry points.
        urls: of broker, results and locks, as for a worker.
        command: of Celery; another one to see what ours does there.
    """

    directory: Path
    urls: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    app: str | None = "tests.worker.app"
    command: str = "unique"

    def __call__(self, *words: object, **environment: str) -> Done:
        env = {**self._environment(), **environment}
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            command = start_celery(self._words(words), env, out, err)
            try:
                return Done(command.wait(LIMIT), _content(out), _content(err))
            finally:
                command.kill()

    @contextmanager
    def started(self, *words: object, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Have the command under way; in the end it is killed.

        Arguments:
            how: options of ``Popen``.
        """
        command = [sys.executable, "-m", "celery", *map(str, self._words(words))]
        options = {"env": self._environment(), "preexec_fn": _heed_ctrl_c, **how}
        with subprocess.Popen(command, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def _words(self, words: Sequence[object]) -> tuple[object, ...]:
        app = () if self.app is None else ("-A", self.app)
        return *app, self.command, *words

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join((str(self.directory), str(ROOT)))
        # A command does the same on each store: its coverage is that on one of them.
        measured = self.urls["locks"].startswith("redis:")
        inherited = os.environ if measured else unmeasured()
        return {
            **inherited,
            "PYTHONPATH": path,
            "UNIQUE_TEST_BROKER": self.urls["broker"],
            "UNIQUE_TEST_BACKEND": self.urls["backend"],
            "UNIQUE_TEST_REDIS": self.urls["locks"],
            "UNIQUE_TEST_SETTINGS": json.dumps(dict(self.settings)),
        }


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _heed_ctrl_c() -> None:
    """A shell that starts the tests in the background lets them ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
