"""The steps of a guarded run, one by one, for a profiler that counts instructions.

Each runs in two forks, in the second one twice as often. The program prints its name
and both pids; the difference between the two counts is the cost of the iterations.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import signals
from celery.app.trace import build_tracer
from redis import ConnectionPool, Redis

from benchmarks.guarded_app import app, guarded
from benchmarks.plain_app import plain
from unique_task.backends.record import VERSION, Record, Token
from unique_task.backends.redis.direct import pack
from unique_task.backends.redis.line import Line
from unique_task.backends.redis.scripts import ACQUIRE, RELEASE
from unique_task.options.guarded_class import GUARDED

ARGUMENTS = (12, "ab")

# Calls that do what is done once; both forks make them, so they cancel out.
WARM_UP = 20

Step = Callable[[], object]


def main(iterations: int, *names: str) -> None:
    for prepare in (key, client, run_guarded, run_plain):
        if names and prepare.__name__ not in names:
            continue
        once, twice = (_forked(prepare, times * iterations) for times in (1, 2))
        print(prepare.__name__, once, twice, flush=True)


def key() -> Step:
    task = app.tasks[guarded.name]
    guard = getattr(task, GUARDED).spec
    return lambda: guard.digest(task, ARGUMENTS, {})


def client() -> Step:
    """The client's part of a guarded run: two packed commands, and their answers."""
    # A client with a pool of its own would close it when this function returns.
    pool: Any = ConnectionPool.from_url(app.conf.unique_backend)
    store: Any = Redis(connection_pool=pool)
    take, free = (store.script_load(one.text) for one in (ACQUIRE, RELEASE))
    token = Token.of_attempt(str(uuid4()))
    tail = Record(token, guarded.name, "celery@host/1").tail
    lock = "unique:{client}"
    commands = [
        pack(take, 1, (lock, VERSION, tail, 15000)),
        pack(free, 1, (lock, token)),
    ]
    line = Line(pool.get_connection())

    def take_and_free() -> None:
        for command in commands:
            line.ask(command)

    return take_and_free


def run_guarded() -> Step:
    return _run(guarded.name)


def run_plain() -> Step:
    step = _run(plain.name)
    # A worker without this library has no receiver there, and skips the signal. Not
    # before: the library connects its receiver when a task is bound.
    signals.task_postrun.receivers.clear()
    return step


def _run(name: str) -> Step:
    """Return a run of a task as a worker does it, once the message is decoded."""
    trace = build_tracer(name, app.tasks[name], app=app)
    task_id = str(uuid4())
    request = {
        "id": task_id,
        "task": name,
        "hostname": "celery@host",
        "is_eager": False,
        "ignore_result": True,
    }
    return lambda: trace(task_id, list(ARGUMENTS), {}, request)


def _forked(prepare: Callable[[], Step], times: int) -> int:
    pid = os.fork()
    if pid == 0:
        step = prepare()
        for _ in range(WARM_UP + times):
            step()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"{prepare.__name__} has failed")
    return pid


main(int(sys.argv[1]), *sys.argv[2:])
