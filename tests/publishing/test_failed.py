"""A publish that fails leaves no lock behind."""

from typing import Any

import pytest
from kombu.exceptions import EncodeError

from tests.published_calls import (
    CutOff,
    holder,
    key_of,
    record_at,
    refuse,
    store_of,
    task_of,
)
from unique_task import LockStoreError, MemoryBackend, unique
from unique_task.backends.record import Record

pytest_plugins = "tests.inprocess_fixtures"

BOUND = {"parent_id": "parent"}


@pytest.fixture
def work(app):
    return task_of(app)


@pytest.fixture(params=[OSError, CutOff])
def unsendable(request, app, monkeypatch):
    """An app that sends nothing, and what a publish raises."""
    monkeypatch.setattr(app.amqp, "send_task_message", refuse(request.param))
    return request.param


@pytest.mark.parametrize("options", [{}, BOUND], ids=["plain", "bound"])
def test_a_publish_that_fails_frees_its_lock(work, unsendable, options):
    with pytest.raises(unsendable):
        work.apply_async(**options)

    assert holder(work) is None


@pytest.mark.parametrize(
    "key", ["{item}", lambda item, note: item], ids=["template", "callable"]
)
def test_a_publish_of_what_cannot_be_encoded_leaves_no_lock(app, key):
    work = task_of(app, unique(lock="until_executed", key=key))

    with pytest.raises(EncodeError):
        work.delay(1, object())

    assert holder(work, 1) is None


def test_a_duplicate_that_is_sent_leaves_the_holders_lock(work, unsendable, app):
    record = record_of(work, app)

    with pytest.raises(unsendable):
        work.apply_async(**BOUND)

    assert record_at(app, key_of(work)) == record


def record_of(work: Any, app: Any) -> Any:
    store_of(app).reserve(key_of(work), Record("other/0/0//a", state="pending"), 10)
    return record_at(app, key_of(work))


def test_a_store_that_is_down_hides_no_error_of_the_broker(work, unsendable, caplog):
    class Down(MemoryBackend):
        def _release(self, *args: Any) -> Any:
            raise LockStoreError("the store is down")

    work.app.conf.unique_backend = Down()
    with pytest.raises(unsendable):
        work.apply_async(task_id="first")

    assert (
        caplog.messages[0]
        == "work[first] cannot release its lock yet: the store is down"
    )


@pytest.mark.parametrize("lock", ["until_expired", "until_and_while_executing"])
def test_every_lock_that_is_taken_at_publish_is_freed(app, unsendable, lock):
    work = task_of(app, unique(lock=lock))

    with pytest.raises(unsendable):
        work.delay()

    assert holder(work) is holder(work, pending=".pending") is None


def test_what_replaces_nobody_frees_its_lock_too(app, unsendable):
    work = task_of(app, unique(lock="until_executing", on_duplicate="replace"))

    with pytest.raises(unsendable):
        work.delay()

    assert holder(work) is None
