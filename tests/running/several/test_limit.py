"""What decides how many may hold the key: the task, its callable, or the call."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from unique_task import DuplicateTaskError, UniqueLimitError, unique

pytest_plugins = "tests.inprocess_fixtures"


def test_a_callable_gives_each_key_its_limit(worker_app, store, gate):
    @worker_app.task
    @unique(key="{tenant}", backend=store, limit=lambda tenant: len(tenant))
    def work(tenant):
        gate.hold()

    results = [work.delay(tenant) for tenant in ("a", "bb", "bb")]
    for _ in results:
        gate.wait_for_arrival()

    for tenant in ("a", "bb"):
        with pytest.raises(TaskRevokedError):
            value_of(work.delay(tenant))
    gate.open()
    for result in results:
        value_of(result)


@pytest.mark.parametrize("value", [0, "3", None, True])
def test_a_callable_that_returns_no_limit_fails_the_task(guarded, value):
    work = guarded(limit=lambda item: value)

    with pytest.raises(UniqueLimitError, match="returned"):
        value_of(work.delay())
    assert guarded.runs == []


def test_a_callable_is_not_asked_where_guards_are_switched_off(
    guarded, gate, worker_app, monkeypatch
):
    monkeypatch.setitem(worker_app.conf.changes, "unique_enabled", False)
    work = guarded(limit=lambda item: 0)
    gate.open()

    assert value_of(work.delay(5)) == 5


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_the_limit_of_a_call_counts_for_that_call(guarded, gate, lock):
    work = guarded(limit=1, lock=lock, on_duplicate="raise")
    first = work.delay(1)
    gate.wait_for_arrival()

    with pytest.raises(DuplicateTaskError):
        value_of(work.delay(2))
    second = work.apply_async((3,), unique={"limit": 2})
    gate.wait_for_arrival()
    with pytest.raises(DuplicateTaskError):
        value_of(work.apply_async((4,), unique={"limit": 2}))
    gate.open()

    assert (value_of(first), value_of(second)) == (1, 3)


def test_what_was_reserved_under_a_greater_limit_runs(guarded, gate, worker_app):
    """As in a rolling deploy: the worker has another limit than the publisher."""
    limit = [3]
    work = guarded(limit=lambda item: limit[0], lock="until_executed")
    results = [work.apply_async((item,), countdown=0.5) for item in range(3)]
    limit[0] = 1
    gate.open()

    assert [value_of(result) for result in results] == [0, 1, 2]
