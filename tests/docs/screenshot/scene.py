"""Locks in each state: of real workers, one of which is killed, and of an operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.screenshot.shop import app, charge, remind, sync_stock
from tests.waiting import wait_until
from tests.worker.conftest import urls_on
from tests.worker.worker_process import WorkerProcess
from unique_task.operating import Lock, Wanted, hold, locks, show

#: The call that waits for another one of its key.
WAITED_FOR = 4711


@contextmanager
def scene(directory: Path, redis_url: str) -> Iterator[dict[str, str]]:
    """Have locks held; give the URLs of what the workers use."""
    urls = {name: url for name, url in urls_on(redis_url).items() if name != "witness"}
    app.conf.update(
        broker_url=urls["broker"],
        result_backend=urls["backend"],
        unique_backend=urls["locks"],
    )
    with _worker(directory, urls, "w1") as worker:
        _fill(directory, urls)
        yield urls
        # It would wait for what runs.
        worker.kill()
    app.close()


def _fill(directory: Path, urls: dict[str, str]) -> None:
    with _worker(directory, urls, "w2") as killed:
        sync_stock.apply_async(("north",), queue="w2")
        wait_until(lambda: _held(sync_stock.name, "running"))
        killed.kill()
    charge.apply_async((WAITED_FOR,), queue="w1")
    wait_until(lambda: _held(charge.name, "running"))
    charge.apply_async((WAITED_FOR,), queue="w1")
    remind.apply_async((12,), queue="w1", countdown=300)
    hold(app, charge.name, [4712], seconds=1800, by="ann", reason="refund first")
    wait_until(lambda: _held(remind.name, "pending") and _waits())


def _held(task: str, state: str) -> bool:
    found = locks(app, Wanted(task=task, states=(state,)), timeout=0)
    return any(isinstance(one, Lock) for one in found)


def _waits() -> bool:
    return any(detail.waiting for detail in show(app, charge.name, [WAITED_FOR]))


def _worker(directory: Path, urls: dict[str, str], name: str) -> WorkerProcess:
    return WorkerProcess(
        directory,
        broker=urls["broker"],
        backend=urls["backend"],
        locks=urls["locks"],
        app="tests.docs.screenshot.shop",
        name=f"{name}@localhost",
        pool="threads",
        concurrency=8,
        options=("-Q", name),
    )
