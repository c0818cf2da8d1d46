"""The command line, beside the workers whose locks it shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.worker.operating.command import Unique, install_entry_points
from tests.worker.worker_process import WorkerProcess

#: Makes each process of a worker believe that it is on a machine of that name.
ELSEWHERE = "import socket\nsocket.gethostname = lambda: 'elsewhere'\n"


@pytest.fixture(scope="module")
def entry_points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = Path(tmp_path_factory.mktemp("entry-points"))
    install_entry_points(directory)
    return directory


@pytest.fixture
def unique(entry_points: Path, module_urls: dict[str, str]) -> Unique:
    """Call it with words: it runs ``celery -A tests.worker.app unique``."""
    return Unique(entry_points, module_urls)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a worker on another machine."""
    directory = Path(tmp_path_factory.mktemp("elsewhere"))
    (directory / "sitecustomize.py").write_text(ELSEWHERE)
    return {"PYTHONPATH": f"{directory}:{Path.cwd()}"}


@pytest.fixture(scope="module")
def worker(start_module_worker) -> Iterator[WorkerProcess]:
    """A worker on this machine."""
    yield start_module_worker(concurrency=4, settings={"unique_lease": 60})


@pytest.fixture
def running(witness, key):
    """Call it to have a task run until the end of the test; returns its result."""

    def run(task, *args):
        result = task.delay(key, *args)
        wait_until(lambda: witness.runs(key))
        return result

    yield run
    witness.open(key)
