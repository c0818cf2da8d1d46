"""Whatever ends a run, the call that waits longest for its lock starts at once."""

import signal
from collections.abc import Iterator
from typing import Any

import celery
import pytest

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.app import app
from tests.worker.conftest import starter
from tests.worker.scene import Scene
from tests.worker.waiting.line import AT_ONCE, wait_until_waiting
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker

#: Longer than all tests: no lock ends by itself.
SETTINGS = {"unique_lease": 600}

#: Those that take calls while they run one.
POOLS = ["prefork", "threads", "gevent", "eventlet"]

BODIES = ["return", "error", "ignore", "reject", "retry"]

#: Seconds that a run has before a time limit ends it.
LIMIT = 2.0


class Awaited(Scene):
    """A scene in which another call waits for the key before the exit is taken."""

    @property
    def task(self) -> Any:
        return tasks.leave_in_line

    def begin(self, how: str = "return", **options: Any) -> Any:
        result = super().begin(how, **options)
        self.task.delay(self.key)
        return result

    def wait_for_line(self) -> None:
        wait_until_waiting(self.its_worker, self.task, self.key, 1)

    def goes_on(self) -> None:
        """The one that waited runs at once."""
        wait_until(lambda: self.runs == 2, AT_ONCE, self._told)


@pytest.fixture(scope="module", params=POOLS)
def worker(request, module_urls, tmp_path_factory):
    with starter(tmp_path_factory.mktemp(request.param), module_urls) as start:
        yield start(pool=request.param, settings=SETTINGS, concurrency=4)


@pytest.fixture
def scene(worker, module_urls) -> Iterator[Awaited]:
    witness = Witness(module_urls["witness"])
    scene = Awaited(worker, witness)
    yield scene
    scene.open()
    witness.close()


def only(worker: Any, *pools: str) -> None:
    if worker.pool not in pools:
        pytest.skip("this pool has no such end")


@pytest.mark.parametrize("how", BODIES)
def test_the_next_starts_when_a_body_ends_by_itself(scene, how):
    scene.begin(how)
    scene.wait_for_line()

    scene.open()

    scene.goes_on()


def test_the_next_starts_when_a_soft_time_limit_ends_it(scene, worker):
    only(worker, "prefork")
    scene.begin(soft_time_limit=LIMIT)

    scene.goes_on()


def test_the_next_starts_when_a_hard_time_limit_ends_it(scene, worker):
    only(worker, "prefork", "gevent")
    scene.begin(time_limit=LIMIT)

    scene.goes_on()


def test_the_next_starts_when_its_child_dies(scene, worker):
    only(worker, "prefork")
    scene.begin()
    scene.wait_for_line()

    scene.kill(signal.SIGKILL)

    scene.goes_on()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_the_next_starts_when_it_is_revoked(scene, worker, name):
    if worker.pool == "gevent" and celery.VERSION < (5, 5):
        pytest.skip("it cannot end a greenlet")
    only(worker, "prefork", "gevent")
    result = scene.begin()
    scene.wait_for_line()

    app.control.revoke(result.id, terminate=True, signal=name)

    scene.goes_on()
