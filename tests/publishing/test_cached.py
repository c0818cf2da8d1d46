"""A fresh value answers a call that is published."""

import pytest
from celery import states

from tests.clock import Clock
from tests.published_calls import is_duplicate, key_of, record_at, task_of
from unique_task import MemoryBackend, cached, unique
from unique_task.backends.record import Record
from unique_task.messages.values import encode_value
from unique_task.options.duplicate import duplicates
from unique_task.options.option_types import PolicyPair

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(app, clock):
    app.conf.unique_backend = store = MemoryBackend(timer=clock)
    return store


@pytest.fixture
def work(app, store):
    return task_of(app, unique(lock="until_executed", on_duplicate=cached(60)))


@pytest.fixture
def leave(store):
    """Leave a value as a run of the task would."""

    def leave(task, value, fresh=60):
        data = value if isinstance(value, bytes) else encode_value(task, value)
        store.acquire(key_of(task), Record("run/0/0//a"), 10)
        store.release(key_of(task), "run/0/0//a", value=data, fresh_for=fresh)

    return leave


@pytest.mark.parametrize("value", [None, 0, "text", {"a": [1, 2]}])
def test_a_fresh_value_is_a_result_that_has_come(work, leave, sent, value):
    leave(work, value)
    before = duplicates["work"]

    result = work.delay()

    assert (result.duplicate, result.state, result.get()) == (
        True,
        states.SUCCESS,
        value,
    )
    assert not sent
    assert duplicates["work"] == before + 1
    assert record_at(work.app, key_of(work)) is None


def test_a_value_that_is_not_fresh_any_more_is_not_used(work, leave, clock, sent):
    leave(work, 42)
    clock.now += 61

    assert not work.delay().duplicate
    assert len(sent) == 1


def test_a_holder_answers_where_there_is_no_value(work, sent):
    first = work.delay()

    assert is_duplicate(work.delay(), of=first)
    assert sent.ids == [first.id]


@pytest.mark.parametrize(
    "data", [b"", b"no head", b"application/json utf-8 other\n42", b"x-no y work\n1"]
)
def test_a_value_that_cannot_be_read_is_no_answer(work, leave, sent, caplog, data):
    leave(work, data)

    first = work.delay()

    assert not first.duplicate
    assert "cannot use a stored value" in caplog.text
    assert is_duplicate(work.delay(), of=first)


def test_what_is_bound_is_sent_although_there_is_a_value(work, leave, sent):
    leave(work, 42)

    work.apply_async(parent_id="parent")

    assert len(sent) == 1
    assert record_at(work.app, key_of(work)) is not None


def test_another_policy_does_not_look_for_a_value(app, leave):
    work = task_of(app, unique(lock="until_executed", on_duplicate="ignore"))
    leave(work, 42)

    assert not work.delay().duplicate


def test_a_value_may_be_for_what_is_published_alone(app, leave):
    choice: PolicyPair = {"publish": cached(60), "run": "ignore"}
    work = task_of(app, unique(lock="until_executed", on_duplicate=choice))
    leave(work, 42)

    assert work.delay().get() == 42
