"""What a publisher makes of ``limit=``."""

import json

import pytest

from tests.published_calls import ForOne, task_of
from unique_task import (
    ConfigurationError,
    Duplicate,
    UniqueLimitError,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"

AT_PUBLISH = ["until_executing", "until_executed", "until_expired"]


@pytest.mark.parametrize("limit", [2, lambda item, note: 2], ids=["2", "callable"])
@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_store_for_one_holder_is_refused_at_publish(app, sent, lock, limit):
    app.conf.unique_backend = ForOne()
    work = task_of(app, unique(lock=lock, limit=limit))

    with pytest.raises(ConfigurationError) as error:
        work.delay()

    for text in ("work: ", f"limit={limit!r}", "memory://", "unique_backend"):
        assert text in str(error.value)
    assert not sent


def test_a_call_may_not_ask_such_a_store_for_several(app, sent):
    app.conf.unique_backend = ForOne()
    work = task_of(app)

    with pytest.raises(ConfigurationError, match="limit=2"):
        work.apply_async(unique={"limit": 2})
    assert not sent
    assert not work.apply_async(unique={"limit": 1}).duplicate


@pytest.mark.parametrize("lock", AT_PUBLISH)
@pytest.mark.parametrize("value", [0, "3", None])
def test_a_callable_that_makes_no_limit_raises_to_the_caller(app, sent, lock, value):
    work = task_of(app, unique(lock=lock, limit=lambda item, note: value))

    with pytest.raises(UniqueLimitError, match="returned"):
        work.delay()
    assert not sent


def test_a_member_of_a_canvas_is_sent_and_its_worker_meets_the_error(app, sent):
    work = task_of(app, unique(lock="until_executed", limit=lambda item, note: 0))

    work.apply_async(reply_to="canvas")

    assert sent.last.lock is None


def test_a_callable_gets_the_arguments_as_the_serializer_leaves_them(app):
    seen = []

    def limit(item, note):
        seen.append((item, note))
        return 1

    work = task_of(app, unique(lock="until_executed", limit=limit))
    work.delay((1, (2,)))
    work.apply_async(((1, 2),), serializer="pickle")

    assert seen == [([1, [2]], ""), ((1, 2), "")]


def test_a_call_that_does_not_fit_its_task_is_sent_as_without_a_guard(app, sent):
    guard = unique(lock="until_executed", limit=lambda item, note: 2)
    work = task_of(app, guard, typing=False)

    work.apply_async((1, 2, 3), unique_key="mine")

    assert sent.last.lock.get("token") is None


def test_a_policy_knows_the_limit_and_the_holder_that_ends_first(app):
    seen: list[Duplicate] = []
    guard = unique(lock="until_executed", limit=2, on_duplicate=seen.append)
    work = task_of(app, guard)

    first, _, _ = work.delay(), work.delay(), work.delay()

    [duplicate] = seen
    assert (duplicate.limit, duplicate.owner) == (2, first.id)
    assert [held.record.owner for held in duplicate.holders] == [first.id]


@pytest.mark.parametrize("name", ["work", "elsewhere"])
def test_the_limit_of_a_call_travels_with_it(app, sent, name):
    task_of(app)

    app.send_task(name, unique={"limit": 7})

    assert json.loads(json.dumps(sent.last.lock))["unique"] == {"limit": 7}
