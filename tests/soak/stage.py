"""The servers and the workers of a soak, all of them gone when it is over."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import RabbitMQServer, RedisServer
from tests.soak.app import DIARY, app
from tests.soak.diary import Diary
from tests.worker.worker_process import WorkerProcess

WORKERS = 2
CHILDREN = 4


class DurableRedis(RedisServer):
    """A Redis that has after a restart, and after SIGKILL, all that it ever answered.

    It writes its file before it answers, and what is written is the kernel's. A store
    that forgets its locks cannot keep two tasks apart, and a soak would prove nothing.
    """

    def options(self) -> list[str]:
        return [*super().options(), "--appendonly", "yes"]


@dataclass
class Stage:
    """Where a soak takes place.

    Attributes:
        broker: RabbitMQ, because it gives what a killed worker had to another one at
            once, and loses nothing: Redis as a broker would deliver it again by the
            clock, and loses a message whose worker is killed just between fetching it
            and noting that it has it, which would look like a fault of ours.
        locks: the store under test; messages and results are elsewhere.
        lease: seconds.
    """

    directory: Path
    broker: RabbitMQServer
    results: RedisServer
    locks: DurableRedis
    lease: float
    guarded: bool = True
    workers: list[WorkerProcess] = field(default_factory=list)
    _made: list[WorkerProcess] = field(default_factory=list)
    _closed: bool = False

    @property
    def diary(self) -> Diary:
        """The one that the workers write."""
        return Diary(self.directory / DIARY)

    def settings(self) -> dict[str, Any]:
        return {
            # A message that is sent again is with the broker before the one that it
            # stands for is acknowledged, whatever is killed in between.
            "broker_transport_options": {"confirm_publish": True},
            "broker_connection_retry_on_startup": True,
            "worker_prefetch_multiplier": 1,
            # Seconds until a worker believes that a killed child will not answer.
            "worker_lost_wait": 1.0,
            "unique_enabled": self.guarded,
            "unique_lease": self.lease,
            "unique_timeout": 0.5,
        }

    def new_worker(self) -> WorkerProcess:
        worker = WorkerProcess(
            self.directory,
            self.broker.url,
            self.results.url,
            self.locks.url,
            app="tests.soak.app",
            concurrency=CHILDREN,
            settings=self.settings(),
            environment={"SOAK_DIRECTORY": str(self.directory)},
        )
        self._made.append(worker)
        return worker

    def replace_worker(self, index: int) -> None:
        """Start a worker in the place of a dead one, and show it when it is ready.

        Celery's worker gives up if one of its first children dies.
        """
        if not self._closed:
            worker = self.new_worker()
            worker.start()
            self.workers[index] = worker

    def revive(self) -> None:
        """Start what has died by itself, as whatever supervises a worker would."""
        for index, worker in enumerate(self.workers):
            if not worker.running:
                self.replace_worker(index)

    def endless_keys(self) -> list[str]:
        """What the store under test would keep for ever."""
        client = self.locks.client
        return [key for key in client.scan_iter() if client.pttl(key) == -1]

    def close(self) -> None:
        """Kill all workers, also those that somebody waits for, and start no more."""
        self._closed = True
        for worker in self._made:
            if worker.running:
                worker.kill()

    def _start(self) -> None:
        app.conf.update(self.settings(), broker_url=self.broker.url)
        self.workers = [self.new_worker() for _ in range(WORKERS)]
        with ThreadPoolExecutor(WORKERS) as threads:
            try:
                list(threads.map(WorkerProcess.start, self.workers))
            except BaseException:
                self.close()
                raise


@contextmanager
def staged(
    directory: Path, broker: RabbitMQServer, lease: float, guarded: bool = True
) -> Iterator[Stage]:
    """Start all but the broker, and end it."""
    with ExitStack() as stack:
        folders = [directory / name for name in ("results", "locks")]
        for folder in folders:
            folder.mkdir()
        results = stack.enter_context(RedisServer(folders[0]))
        locks = stack.enter_context(DurableRedis(folders[1]))
        stage = Stage(directory, broker, results, locks, lease, guarded)
        stack.callback(app.close)
        stack.callback(stage.close)
        stage._start()
        yield stage
