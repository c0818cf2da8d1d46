"""Waits on RabbitMQ with quorum queues, where Celery sends none below a second."""

from typing import Any

import celery
import pytest
from celery.contrib.testing.worker import start_worker
from kombu import Exchange, Queue

from tests.inprocess import Gate, make_app, value_of
from tests.published_calls import noted, task_of, wait_of
from tests.waiting import wait_until
from unique_task import cached, replace, retry, unique
from unique_task.messages.delays import sendable_countdown, without_delay
from unique_task.recipes import debounce

pytestmark = [
    pytest.mark.worker,
    pytest.mark.skipif(
        celery.VERSION < (5, 5), reason="its workers wait for every countdown"
    ),
]


@pytest.fixture(scope="module")
def app(rabbitmq_server):
    app = make_app(broker_url=rabbitmq_server.url)
    app.conf.update(
        task_default_queue_type="quorum",
        task_default_exchange=app.main,
        task_default_exchange_type="topic",
        task_default_routing_key=app.main,
        broker_transport_options={"confirm_publish": True},
        # It wakes the worker, which then sees that it is to end.
        broker_heartbeat=2,
    )
    yield app
    rabbitmq_server.delete_queue(app.main)
    app.close()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()


POLICIES = {
    "retry": retry(countdown=0.1, maximum=0.1),
    "cached": cached(60),
    "callable": lambda duplicate: retry(countdown=0.1, maximum=0.1)(duplicate),
}


def waiting(app: Any, gate: Gate, name: str, policy: Any, late: bool) -> Any:
    @app.task(name=f"{name} {late}", acks_late=late)
    @unique(on_duplicate=policy)
    def work():
        gate.hold()
        return "ran"

    return work


def test_who_waits_for_a_lock_comes_back_until_it_runs(app, gate, caplog):
    works = [
        waiting(app, gate, name, policy, late)
        for name, policy in POLICIES.items()
        for late in (False, True)
    ]
    bounced = task_of(app, debounce(0.7), "bounced")
    options: Any = {"perform_ping_check": False, "without_heartbeat": False}
    with start_worker(app, pool="threads", concurrency=20, **options):
        results = []
        for work in works:
            results.append(work.delay())
            gate.wait_for_arrival()
            results.append(work.delay())
        assert value_of(bounced.delay()) is None

        for duplicate in results[1::2]:
            waits = f"[{duplicate.id}] waits for"
            wait_until(lambda: caplog.text.count(waits) >= 2)
        gate.open()

        assert {value_of(result) for result in results} == {"ran"}


def test_a_wait_that_is_chosen_at_publish_can_be_sent(app):
    guard = unique(lock="until_executed", on_duplicate=retry(countdown=0.1))
    work = task_of(app, guard, "put off")
    with noted() as sent:
        work.delay()
        work.delay()

    assert 0.5 < wait_of(sent.last, app) <= 1


def test_the_rest_of_max_wait_can_be_sent(app):
    policy = replace(countdown=0.3, max_wait=0.3)
    work = task_of(app, unique(lock="until_executing", on_duplicate=policy), "due")
    with noted() as sent:
        work.delay()

    assert 0.5 < wait_of(sent.last, app) <= 1


def test_only_what_the_broker_delays_waits_for_longer(app):
    work = task_of(app)
    topic, direct = (
        {"queue": Queue("any", Exchange("any", type=kind), routing_key="any")}
        for kind in ("topic", "direct")
    )

    assert sendable_countdown(work, 0.3, topic) == 1
    assert sendable_countdown(work, 0.3, direct) == 0.3
    assert sendable_countdown(work, 0, topic) == 0
    assert sendable_countdown(work, 1.5, topic) == 1.5


def test_another_broker_may_delay_for_less(app):
    with make_app(task_default_queue_type="quorum") as other:
        assert sendable_countdown(task_of(other), 0.3, {}) == 0.3


def test_a_routing_key_does_not_keep_the_delay_it_came_with():
    delay = "0." * 27 + "1."

    assert without_delay(f"{delay}orders.new") == "orders.new"
    assert without_delay("0.1.orders") == "0.1.orders"
