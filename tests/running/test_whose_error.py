"""Errors of the user's code are not taken for errors of the store, nor vice versa."""

from typing import Any

import pytest

from tests.published_calls import CutOff, holder, task_of
from unique_task import (
    ConfigurationError,
    LockStoreError,
    MemoryBackend,
    UniqueCeleryTask,
    UniqueKeyError,
    unique,
)
from unique_task.exceptions import LockRecordError

pytest_plugins = "tests.inprocess_fixtures"

BOUND = {"parent_id": "parent"}


class Failing(MemoryBackend):
    """Fails to reserve as often as the test says."""

    error: BaseException | None = None

    def _reserve(self, wanted: Any) -> Any:
        if self.error is not None:
            raise self.error
        return super()._reserve(wanted)


@pytest.fixture
def store(app):
    app.conf.unique_backend = Failing()
    return app.conf.unique_backend


def other_store_is_away(*args: Any, **kwargs: Any) -> Any:
    raise LockStoreError("another store is away")


class WithId(UniqueCeleryTask):
    """Takes its ids from another store."""

    abstract = True
    unique_options = {"lock": "until_executed"}

    def generate_lock_id(self, *args: Any, **kwargs: Any) -> Any:
        return other_store_is_away()


@pytest.fixture(params=["key=", "generate_lock_id()"])
def keyed(request, app):
    """A task whose key cannot be made."""
    if request.param == "key=":
        guard = unique(lock="until_executed", key=other_store_is_away)
        return task_of(app, guard, name="keyed")
    return task_of(app, lambda function: function, base=WithId, name="keyed")


def test_an_error_in_a_key_leaves_the_locks_of_other_tasks_alone(app, sent, keyed):
    with pytest.raises(UniqueKeyError, match="another store is away"):
        keyed.delay()
    keyed.apply_async(**BOUND)

    task = task_of(app)
    task.apply_async(**BOUND)

    # A message that is sent without a lock has a token all the same.
    assert holder(task).token == sent.last.lock["token"]


@pytest.mark.parametrize("choice", ["run", "retry", "raise"])
def test_a_key_that_cannot_be_made_is_no_outage(app, sent, keyed, choice):
    app.conf.unique_on_unavailable = choice

    for call in (keyed.delay, keyed):
        with pytest.raises(UniqueKeyError, match="another store is away"):
            call()
    assert not sent


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (LockStoreError("no answer"), True),
        (LockRecordError("a lock of a newer version"), False),
        (ConfigurationError("too long"), False),
        (CutOff(), False),
        (TypeError("of a driver"), False),
    ],
)
def test_only_a_store_that_does_not_answer_is_spared(app, store, sent, error, away):
    store.error = error
    with pytest.raises(type(error)):
        task_of(app).delay()
    store.error = None

    task = task_of(app, name="other")
    task.apply_async(**BOUND)

    assert (holder(task) is None) == away


@pytest.mark.parametrize("choice", ["run", "retry", "raise"])
def test_an_error_of_a_policy_at_publish_goes_to_the_caller(app, sent, choice):
    app.conf.unique_on_unavailable = choice
    guard = unique(lock="until_executed", on_duplicate=other_store_is_away)
    task = task_of(app, guard)
    task.delay()

    with pytest.raises(LockStoreError, match="another store is away"):
        task.delay()
    assert len(sent) == 1


@pytest.mark.parametrize("choice", ["run", "retry", "raise"])
def test_an_error_of_a_policy_at_run_lets_no_body_run(app, gate, choice):
    app.conf.unique_on_unavailable = choice
    runs = []

    @app.task
    @unique(key=(), on_duplicate=other_store_is_away)
    def work(number):
        runs.append(number)
        gate.hold()

    with gate.holding(work, 1):
        for call in (work, lambda n: work.apply((n,), throw=True)):
            with pytest.raises(LockStoreError, match="another store is away"):
                call(2)
    assert runs == [1]
