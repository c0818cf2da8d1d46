"""Calls that no worker can start early: they come by themselves, after a pause."""

from itertools import pairwise
from typing import Any

import celery
import pytest

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.app import app, configure
from tests.worker.conftest import close_app, starter, urls_on
from tests.worker.waiting.line import waiting_in

pytestmark = pytest.mark.worker

#: Seconds in which calls come that nobody starts early.
SOON = 40.0

#: A queue where RabbitMQ keeps each message until its eta.
QUORUM: dict[str, Any] = {
    "task_default_queue_type": "quorum",
    "task_default_queue": "quorum",
    "task_default_exchange": "quorum",
    "task_default_exchange_type": "topic",
    "task_default_routing_key": "quorum",
    "broker_transport_options": {"confirm_publish": True},
}


@pytest.fixture(scope="module", params=["quorum", "rated"])
def place(request, redis_server, tmp_path_factory):
    """A worker where calls cannot be started early, and a task for it."""
    redis_server.client.flushall()
    urls, settings, task = urls_on(redis_server.url), {}, tasks.RATED
    if request.param == "quorum":
        if celery.VERSION < (5, 5):
            pytest.skip("its workers wait for every countdown")
        urls["broker"] = request.getfixturevalue("rabbitmq_server").url
        settings, task = QUORUM, tasks.BRIEF
    before = {name: app.conf[name] for name in settings}
    configure(**urls)
    app.conf.update(settings)
    try:
        with starter(tmp_path_factory.mktemp("worker"), urls) as start:
            yield urls, start(settings=settings, concurrency=4), task
        close_app()
    finally:
        app.conf.update(before)


@pytest.fixture
def module_urls(place):
    return place[0]


def test_all_of_them_run(place, hold, line_up, witness, key):
    _, _, task = place
    hold(task, 0)
    others = [line_up(task, number) for number in (1, 2, 3)]

    witness.open(key)

    assert [other.get(timeout=SOON) for other in others] == [1, 2, 3]
    assert (witness.runs(key), witness.most_at_once(key)) == (4, 1)


def test_a_rate_is_kept(place, hold, line_up, witness, key):
    _, worker, task = place
    if not task.rate_limit:
        pytest.skip("it has none")
    hold(task, 0)
    others = [line_up(task, number) for number in (1, 2, 3)]
    assert waiting_in(worker, task, key) == 0

    witness.open(key)

    wait_until(lambda: all(other.ready() for other in others), SOON)
    moments = list(map(float, witness.noted(f"moments {key}")))
    # A pool may hold the earlier of two for a moment.
    assert all(later - earlier > 0.5 for earlier, later in pairwise(moments))
