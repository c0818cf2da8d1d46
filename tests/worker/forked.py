"""Celery's command in a process that need not import Celery: a fork of one that has.

Workers and commands start by the hundred, and most of what each costs is its imports.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from threading import Lock
from typing import IO, Any

import coverage

from tests.programs import unmeasured

#: Bytes that the words and the environment of a command may have.
LONGEST = 200_000

#: Seconds in which the process that has imported Celery forks, and imports before.
PATIENCE = 60.0

#: The module of Celery that calls the entry points of others as soon as it is imported.
PLUGINS = "celery.bin.celery"

#: What else a worker or a command of ours imports before it reads its settings.
IMPORTED = [
    *("celery.concurrency.prefork", "celery.concurrency.thread", "celery.worker"),
    *("celery.worker.consumer", "celery.worker.strategy", "celery.backends.redis"),
    *("kombu.transport.redis", "kombu.transport.pyamqp", "click_repl"),
    *("sqlalchemy", "psycopg", "pymysql", "pymemcache", "unique_task.cli.commands"),
    "unique_task.tasks.task_class",
]


class Forked:
    """A process with a session of its own, as `subprocess.Popen` shows one."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self.pid = self._answer(PATIENCE)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it has ended, or None if it has not."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how."""
        if self.returncode is None:
            try:
                self.returncode = self._answer(timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("celery", timeout or 0) from None
            self._answers.close()
        return self.returncode

    def kill(self) -> None:
        """SIGKILL to it and to its children, if it has not ended."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)

    def _answer(self, timeout: float | None) -> int:
        self._answers.settimeout(timeout)
        answer = self._answers.recv(LONGEST)
        if not answer:
            raise ConnectionError("the process that waits for the command has ended")
        return int(answer)


def start_celery(
    words: Sequence[object], env: Mapping[str, str], stdout: IO[Any], stderr: IO[Any]
) -> Forked:
    """Have ``python -m celery`` run with those words, in that environment.

    It is measured if its environment says so. Of variables that Python itself reads, it
    heeds ``PYTHONPATH``, without a ``sitecustomize`` there.

    Raises:
        RuntimeError: if no process that has imported Celery answers; the next call
            starts another one.
    """
    answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    message = json.dumps([[str(word) for word in words], dict(env), os.getcwd()])
    try:
        with theirs:
            fds = [stdout.fileno(), stderr.fileno(), theirs.fileno()]
            socket.send_fds(_parent(), [message.encode()], fds)
        return Forked(answers)
    except OSError as error:
        answers.close()
        _start_parent.cache_clear()
        text = f"no fork of the process that has imported Celery: {error}"
        raise RuntimeError(text) from error


def _parent() -> socket.socket:
    with _starting:
        return _start_parent()


#: Workers start in several threads at once; one process is enough for them.
_starting = Lock()


@cache
def _start_parent() -> socket.socket:
    """Start the process that has imported Celery; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            # A test may be somewhere else, where it does not find this module.
            cwd=Path(__file__).parents[2],
            env=unmeasured(),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        # A fork of this process may have the socket, too, and so keep it from ending.
        process.kill()
        process.wait()

    atexit.register(end)
    return ours


def main(calls: socket.socket) -> None:
    """Fork for each call that comes; the fork returns from here as Celery's command."""
    package = import_module("celery.bin")
    names = [module.name for module in iter_modules(package.__path__, "celery.bin.")]
    for name in (*IMPORTED, *names):
        if name != PLUGINS:
            import_module(name)
    # Else each fork looks at all that was imported, and so gets copies of it.
    gc.freeze()
    words, env, directory = _fork_for_each(calls)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(directory)
    paths = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [directory, *filter(None, paths)]
    sys.argv[1:] = words
    # As it begins in each process that has this variable.
    if "COVERAGE_PROCESS_CONFIG" in env:
        coverage.process_startup()
    runpy.run_module("celery", run_name="__main__", alter_sys=True)


def _fork_for_each(calls: socket.socket) -> tuple[list[str], dict[str, str], str]:
    """Return the message of a call, in a process for it alone."""
    # Nobody waits for those who wait for a command.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, fds, _, _ = socket.recv_fds(calls, LONGEST, 3)
        if not message:
            sys.exit()
        if not os.fork():
            calls.close()
            _fork_and_wait(*fds)
            words, env, directory = json.loads(message)
            return words, env, directory
        for fd in fds:
            os.close(fd)


def _fork_and_wait(stdout: int, stderr: int, answers: int) -> None:
    """Return in a fork, and say how that has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=answers) as answer:
        if pid := os.fork():
            os.close(stdout)
            os.close(stderr)
            _, status = os.waitpid(pid, 0)
            answer.send(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        os.setsid()
        answer.send(str(os.getpid()).encode())
    for number, fd in enumerate((stdout, stderr), start=1):
        os.dup2(fd, number)
        os.close(fd)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
