"""Where Celery leaves our headers: beside its own, or in a dict named ``headers``.

Sentry and Datadog write such a dict into messages; the real sentry-sdk is in
``tests/worker/test_traced.py``.
"""

from typing import Any

import pytest
from celery import signals

from tests.inprocess import value_of
from tests.published_calls import holder, task_of
from tests.waiting import wait_until
from unique_task import DuplicateTaskError, retry, unique
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

SOON = retry(countdown=0.1, maximum=0.1, jitter=False)


def like_ddtrace(headers: dict[str, Any], **_: Any) -> None:
    """Write what ddtrace does with ``distributed_tracing`` before a publish."""
    headers.setdefault("headers", {}).update({"x-datadog-trace-id": "1"})


@pytest.fixture(params=["caller", "ddtrace", "no dict"])
def nested(request: pytest.FixtureRequest) -> Any:
    """What a caller gives as headers, while somebody writes a dict into messages."""
    if request.param == "caller":
        yield {"headers": {"colour": "green"}}
    elif request.param == "no dict":
        yield {"headers": "text"}
    else:
        signals.before_task_publish.connect(like_ddtrace)
        yield {"colour": "green"}
        signals.before_task_publish.disconnect(like_ddtrace)


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_lock_is_found_and_freed_beside_another_dict_of_headers(
    worker_app, nested, lock
):
    work = task_of(worker_app, unique(lock=lock))

    result = work.apply_async((lock,), headers=nested)

    assert value_of(result) is None
    if lock != "until_expired":
        wait_until(lambda: holder(work, lock) is None)
        wait_until(lambda: holder(work, lock, pending=".pending") is None)


def test_a_retry_inherits_its_lock_beside_another_dict_of_headers(worker_app, nested):
    if nested == {"headers": "text"}:
        pytest.skip("Celery itself cannot retry that")

    @worker_app.task(bind=True, max_retries=1)
    @unique(lock="until_executed")
    def work(self):
        if not self.request.retries:
            raise self.retry(countdown=0)
        return "twice"

    assert value_of(work.apply_async(headers=nested)) == "twice"
    wait_until(lambda: holder(work) is None)


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_waits_end_in_time_beside_another_dict_of_headers(
    worker_app, gate, nested, lock
):
    @worker_app.task
    @unique(lock=lock, on_duplicate=retry(countdown=0.1, timeout=0.3))
    def work():
        gate.hold()

    with gate.holding(work.delay().get):
        with pytest.raises(DuplicateTaskError):
            value_of(work.apply_async(headers=nested))


def test_a_call_that_waited_has_the_headers_that_its_caller_gave(
    worker_app, gate, nested
):
    @worker_app.task(bind=True)
    @unique(on_duplicate=SOON)
    def work(self):
        gate.hold()
        request = self.request
        return {"shown": request.headers, "colour": request.get("colour")}

    with gate.holding(work.delay().get):
        duplicate = work.apply_async(headers=nested)
        wait_until(lambda: duplicate.state == "RETRY")

    shown = value_of(duplicate)
    if "colour" in nested:
        assert shown["colour"] == "green"
        assert set(shown["shown"]) == {"x-datadog-trace-id"}
    elif isinstance(nested["headers"], dict):
        assert shown["shown"]["colour"] == "green"
    else:
        assert shown["shown"] == "text"


# The first task protocol, in which all headers are in a dict


@pytest.fixture
def first_protocol(worker_app):
    worker_app.conf.task_protocol = 1
    yield worker_app
    worker_app.conf.task_protocol = 2


def test_waits_end_in_time_by_the_first_task_protocol(first_protocol, gate):
    @first_protocol.task
    @unique(on_duplicate=retry(countdown=0.1, timeout=0.3))
    def work():
        gate.hold()

    with gate.holding(work.delay().get):
        with pytest.raises(DuplicateTaskError):
            value_of(work.delay())


def test_headers_stay_through_waits_by_the_first_task_protocol(first_protocol, gate):
    @first_protocol.task(bind=True)
    @unique(on_duplicate=SOON)
    def work(self):
        gate.hold()
        return self.request.headers.get("colour")

    with gate.holding(work.delay().get):
        duplicate = work.apply_async(headers={"colour": "green"})
        wait_until(lambda: duplicate.state == "RETRY")

    assert value_of(duplicate) == "green"


# What else stays of a message


SHOWN = {"argsrepr": "('***',)", "kwargsrepr": "{'note': '***'}"}


def test_a_call_that_waited_is_shown_and_packed_as_before(worker_app, gate, sent):
    @worker_app.task(bind=True)
    @unique(key=(), on_duplicate=SOON)
    def work(self, secret="", note=""):
        gate.hold()

    with gate.holding(work.delay().get):
        duplicate = work.apply_async(
            ("secret",), {"note": "secret"}, compression="zlib", shadow="other", **SHOWN
        )
        wait_until(lambda: len(sent.of(duplicate.id)) > 2)

    for message in sent.of(duplicate.id):
        assert {name: message.headers[name] for name in SHOWN} == SHOWN
        assert message.headers["compression"] == "application/x-gzip"
        assert message.headers["shadow"] == "other"
    value_of(duplicate)


def test_a_retry_with_the_same_arguments_is_shown_as_before(worker_app, sent):
    @worker_app.task(bind=True, max_retries=2)
    @unique
    def work(self, secret="", note=""):
        retries = self.request.retries
        if retries < 2:
            raise self.retry(args=("new",) if retries else None, countdown=0)

    result = work.apply_async(("secret",), {"note": "secret"}, **SHOWN)

    value_of(result)
    shown = [message.headers["argsrepr"] for message in sent.of(result.id)]
    assert shown == [SHOWN["argsrepr"], SHOWN["argsrepr"], "('new',)"]
