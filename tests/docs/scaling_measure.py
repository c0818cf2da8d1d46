"""Measures what a guarded call takes of Redis: trips, commands, bytes and memory."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from celery import Celery, signals
from celery.app.trace import build_tracer

from tests.servers import RedisServer
from unique_task import unique

#: Calls that are measured together.
CALLS = 20

WORKER = "celery@worker-12.example.com"

TASK = "shop.orders.tasks.charge_order"


class Figures(NamedTuple):
    """What one call takes.

    Attributes:
        publish: round trips to publish it.
        run: round trips to run it.
        commands: commands that Redis counts for both, those of scripts included.
        sent: bytes that Redis gets for both.
        received: bytes that Redis answers to both.
        kept: bytes of Redis' memory that its marks take when it is over.
    """

    publish: float
    run: float
    commands: float
    sent: float
    received: float
    kept: float


def figures(app: Celery, server: RedisServer, **options: Any) -> Figures:
    """Return what a call of a task with these options takes."""
    late = options.pop("acks_late", False)
    task: Any = app.task(name=TASK, acks_late=late, shared=False)(
        unique(key="{number}", **options)(_body)
    )
    messages: list[tuple[Any, Any]] = []

    def note(headers: Any, body: Any, **_: Any) -> None:
        messages.append((headers, body))

    def publish() -> None:
        for number in range(CALLS):
            task.delay(number)

    def run() -> None:
        while messages:
            headers, (args, kwargs, _) = messages.pop()
            request = {**headers, "hostname": WORKER, "delivery_info": {}}
            trace(headers["id"], args, kwargs, request)

    signals.after_task_publish.connect(note)
    trace = build_tracer(task.name, app.tasks[task.name], app=app)
    for work in (publish, run):  # which brings the scripts
        work()
    server.client.flushdb()
    server.reset_counts()
    published, ran = (_taken(server, work) for work in (publish, run))
    signals.after_task_publish.disconnect(note)
    commands = sum(server.command_counts().values()) / CALLS
    kept = sum(_memory(server))
    sent, received = (published[n] + ran[n] for n in (1, 2))
    return Figures(published[0], ran[0], commands, sent, received, kept / CALLS)


def _memory(server: RedisServer) -> Iterator[int]:
    client: Any = server.client
    for name in client.keys():
        yield client.memory_usage(name, samples=0)


def _body(number: int) -> None: ...


_STATS = "total_reads_processed", "total_net_input_bytes", "total_net_output_bytes"


def _taken(server: RedisServer, work: Callable[[], object]) -> list[float]:
    """Return how much each of the server's statistics grows by one call of `work`."""
    first, second = _stats(server), _stats(server)
    work()
    third = _stats(server)
    # The reading of the statistics is in them, too.
    own = [b - a for a, b in zip(first, second)]
    return [(c - b - o) / CALLS for b, c, o in zip(second, third, own)]


def _stats(server: RedisServer) -> list[int]:
    stats: Any = server.client.info("stats")
    return [stats[name] for name in _STATS]
