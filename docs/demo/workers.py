"""The worker of the demo: in this process, or a real one on Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click
import shop
from celery.contrib.testing.worker import start_worker
from redis import Redis, RedisError

#: Seconds after which a worker that is not ready will not be.
PATIENCE = 15.0

OPTIONS = [
    *("--pool=prefork", "--concurrency=4", "--loglevel=info"),
    *("--without-mingle", "--without-gossip", "--without-heartbeat"),
]


def worker(redis: str | None, folder: Path) -> AbstractContextManager[Any]:
    return redis_worker(redis, folder / "log") if redis else memory_worker()


def memory_worker() -> AbstractContextManager[Any]:
    """A worker in this process."""
    shop.app.conf.update(
        broker_url="memory://",
        result_backend="cache+memory://",
        broker_transport_options={"polling_interval": 0.01},
    )
    return start_worker(
        shop.app, pool="threads", concurrency=4, perform_ping_check=False
    )


@contextmanager
def redis_worker(url: str, log: Path) -> Iterator[None]:
    """A worker process with four children, and a queue of its own on Redis."""
    check(url)
    queue = f"unique-task-demo-{os.getpid()}"
    shop.app.conf.update(broker_url=url, result_backend=url, task_default_queue=queue)
    with log.open("wb") as file, subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "shop", "worker", *OPTIONS, "-Q", queue],
        env={**os.environ, "REDIS_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=file,
        stderr=file,
    ) as process:
        try:
            wait_until_ready(process, log)
            yield
        finally:
            process.terminate()
            process.wait()
            forget(queue)


def check(url: str) -> None:
    try:
        with Redis.from_url(url, socket_connect_timeout=2) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise click.ClickException(f"no Redis to use: {error}") from error


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while " ready." not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise click.ClickException(f"the worker did not start:\n{log.read_text()}")
        time.sleep(0.05)


def forget(queue: str) -> None:
    """Leave nothing on Redis that does not expire."""
    with shop.app.connection_for_write() as connection:
        declared = shop.app.amqp.queues[queue].bind(connection.default_channel)
        # Kombu removes only the bindings that this connection has made.
        declared.declare()
        declared.delete()
