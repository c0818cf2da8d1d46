import pytest

from tests.waiting import wait_until
from tests.worker.worker_process import alive

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]


def test_a_worker_of_each_pool_gets_ready_and_ends(start_worker, celery_app, pool):
    worker = start_worker(pool=pool)

    wait_until(lambda: celery_app.control.ping([worker.name], timeout=1))
    worker.terminate()
    assert not worker.running


def test_a_killed_worker_takes_its_children_with_it(start_worker):
    worker = start_worker(pool="prefork", concurrency=2)
    children = worker.children()
    assert len(children) == 2

    worker.kill()

    assert not any(map(alive, children))


def test_a_worker_that_cannot_start_fails_with_its_log(start_worker):
    with pytest.raises(AssertionError, match="Unable to load celery application"):
        start_worker(app="tests.no_such_app")
