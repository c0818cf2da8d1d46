"""A publish that cannot lock, or cannot send."""

from typing import Any

import celery
import pytest

from tests.published_calls import ONE, task_of
from unique_task import (
    ConfigurationError,
    LockStoreError,
    MemoryBackend,
    UniqueCeleryTask,
    UniqueKeyError,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"

BOUND = {"parent_id": "parent"}


class Down(MemoryBackend):
    """Does not answer."""

    def _reserve(self, wanted: Any) -> Any:
        raise LockStoreError("the store is down")


@pytest.fixture
def down(app):
    app.conf.unique_backend = store = Down()
    return store


@pytest.fixture
def work(app):
    return task_of(app)


# The store does not answer


@pytest.mark.parametrize("choice", ["retry", "raise"])
def test_nothing_is_sent_when_the_store_is_down(work, down, sent, choice):
    work.app.conf.unique_on_unavailable = choice

    with pytest.raises(LockStoreError, match="the store is down"):
        work.delay()
    assert not sent


def test_run_sends_without_a_lock_when_the_store_is_down(work, down, sent, caplog):
    work.app.conf.unique_on_unavailable = "run"

    result = work.delay()

    assert (result.duplicate, sent.ids) == (False, [result.id])
    said = f"work[{result.id}] may have no lock: the store is down"
    assert caplog.messages[0] == said
    assert caplog.records[0].levelname == "WARNING"


@pytest.mark.parametrize("choice", ["retry", "raise", "run"])
def test_what_is_bound_is_sent_when_the_store_is_down(work, down, sent, caplog, choice):
    work.app.conf.unique_on_unavailable = choice

    result = work.apply_async(**BOUND)

    assert sent.ids == [result.id]
    said = f"work[{result.id}] may have no lock: the store is down"
    assert caplog.messages[0] == said


@pytest.mark.parametrize("options", [{}, BOUND], ids=["plain", "bound"])
def test_what_a_call_says_travels_without_a_lock_too(work, down, sent, options):
    work.app.conf.unique_on_unavailable = "run"

    work.apply_async(unique_key=7, unique={"expire": 5}, **options)

    lock = sent.last.lock
    assert (lock["own_key"], lock["unique"]) == (True, {"expire": 5})
    assert lock["key"] == getattr(work, "__unique__").spec.digest_of(work, 7)
    # The store may have heard it: then the lock waits for this very message.
    assert lock["token"]


def test_what_needs_no_lock_needs_no_store(app, down, sent):
    task_of(app, unique).delay()
    other = task_of(app, name="other")
    other.apply_async(unique=False)
    other.apply_async(expires=-1)  # no worker will run it

    assert len(sent) == 3


# The arguments make no key


def no_key(*args, **kwargs):
    return None


def broken(*args, **kwargs):
    raise KeyError("broken")


class WithId(UniqueCeleryTask):
    abstract = True
    unique_options = {"lock": "until_executed"}

    def generate_lock_id(self, *args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError


def keyed(app: Any, key: Any) -> Any:
    return task_of(app, unique(lock="until_executed", key=key))


def by_class(app: Any) -> Any:
    return task_of(app, lambda function: function, base=WithId)


WITHOUT_KEY = {
    "a key callable that returns None": (lambda app: keyed(app, no_key), {}),
    "a key callable that fails": (lambda app: keyed(app, broken), {}),
    "a generate_lock_id() that fails": (by_class, {}),
    "a key of the call": (task_of, {"unique_key": object()}),
    "an argument": (task_of, {"args": (object(),), "serializer": "pickle"}),
}


@pytest.mark.parametrize("make, call", WITHOUT_KEY.values(), ids=WITHOUT_KEY)
def test_without_a_key_nothing_is_sent(app, sent, make, call):
    with pytest.raises((UniqueKeyError, ZeroDivisionError)):
        make(app).apply_async(**call)
    assert not sent


@pytest.mark.parametrize("make, call", WITHOUT_KEY.values(), ids=WITHOUT_KEY)
def test_what_is_bound_is_sent_without_a_key(app, sent, caplog, make, call):
    if "serializer" in call:
        call = {"args": ({1, 2, ("a", object)},), "serializer": "pickle"}
    result = make(app).apply_async(**call, **BOUND)

    assert sent.ids == [result.id]
    record = caplog.records[0]
    assert record.levelname == "ERROR"
    assert record.getMessage() == f"work[{result.id}] is sent without a lock"
    assert record.exc_info


def test_arguments_that_fit_no_model_are_sent_for_the_worker_to_refuse(app, sent):
    if not hasattr(celery.app.base, "pydantic_wrapper"):
        pytest.skip(f"Celery {celery.__version__} knows no models")
    from pydantic import BaseModel

    class Order(BaseModel):
        number: int

    def charge(order: Order) -> None: ...

    charge.__annotations__["order"] = Order
    task = app.task(pydantic=True)(ONE(charge))

    for options in ({}, BOUND):
        result = task.apply_async(({"number": "many"},), **options)

        assert sent.last.id == result.id
        assert sent.last.lock is None


def test_a_wrong_setting_is_an_error_of_the_call(work, sent):
    work.app.conf.unique_lock = "forever"
    other = task_of(work.app, unique, name="other")

    with pytest.raises(ConfigurationError, match="unique_lock='forever'"):
        other.delay()
    other.apply_async(**BOUND)

    assert len(sent) == 1
