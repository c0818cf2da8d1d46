"""What a duplicate's signal and log lines say of what becomes of it."""

from contextlib import suppress
from typing import Any

import pytest
from celery.exceptions import Ignore, TaskRevokedError

from tests.inprocess import value_of
from tests.published_calls import task_of
from tests.waiting import wait_until
from unique_task import (
    DuplicateTaskError,
    MemoryBackend,
    cached,
    duplicates,
    replace,
    retry,
    skip,
    task_duplicate,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"


def name_of(value: Any) -> str:
    # Not as text: the place of a function in memory is another one in each process.
    return str(getattr(value, "__name__", value))


def deny(duplicate):
    raise PermissionError


def drop(duplicate):
    raise Ignore


@pytest.fixture
def told():
    """Each duplicate that was told of: its task's id, outcome and place."""
    told = []

    def note(task_id=None, outcome=None, at=None, owner=None, **_):
        told.append((task_id, outcome, at, owner))

    task_duplicate.connect(note)
    yield told
    task_duplicate.disconnect(note)


@pytest.mark.parametrize(
    "policy, outcome",
    [
        ("ignore", "dropped"),
        (skip(1), "dropped"),
        (cached(), "dropped"),
        (replace(), "dropped"),
        ("raise", "failed"),
        (lambda duplicate: 1, "answered"),
        (deny, "failed"),
    ],
    ids=name_of,
)
def test_the_outcome_of_a_duplicate_at_publish(app, told, policy, outcome):
    work = task_of(app, unique(lock="until_executed", on_duplicate=policy))
    # Without the policy, it is not replaced.
    first = work.apply_async(unique={"on_duplicate": "ignore"})

    with suppress(DuplicateTaskError, PermissionError):
        work.delay()

    [(task_id, *said)] = told
    assert task_id != first.id
    assert said == [outcome, "publish", first.id]


@pytest.mark.parametrize(
    "policy, outcome",
    [
        ("ignore", "dropped"),
        ("skip", "answered"),
        ("cached", "failed"),
        ("retry", "failed"),
        ("raise", "failed"),
        (lambda duplicate: 1, "answered"),
        (deny, "failed"),
    ],
    ids=name_of,
)
def test_the_outcome_of_a_duplicate_that_is_called_directly(
    app, gate, told, policy, outcome
):
    @app.task
    @unique(on_duplicate=policy)
    def work():
        gate.hold()

    with gate.holding(work.apply, task_id="holder"):
        with suppress(DuplicateTaskError, PermissionError):
            work()

    assert told == [(None, outcome, "call", "holder")]


@pytest.fixture
def second_of(worker_app, gate, told):
    """Call it for the duplicate of a run that is at the gate, both on a worker."""
    worker_app.conf.unique_backend = MemoryBackend()
    called: list[Any] = []

    def second_of(policy):
        @worker_app.task(name="work")
        @unique(on_duplicate=policy)
        def work():
            gate.hold()

        first = work.delay()
        gate.wait_for_arrival()
        called.append(work.delay())
        return first, called[-1]

    yield second_of
    gate.open()
    # One that waits would come back in the next test, where the task has the same name.
    for second in called:
        if (second.id, "waits") in [
            (task_id, outcome) for task_id, outcome, *_ in told
        ]:
            value_of(second)


@pytest.mark.parametrize(
    "policy, outcome",
    [
        ("ignore", "dropped"),
        ("skip", "answered"),
        ("cached", "waits"),
        (retry(countdown=0.05), "waits"),
        (retry(timeout=0), "failed"),
        ("raise", "failed"),
        (lambda duplicate: 1, "answered"),
        (lambda duplicate: retry(countdown=0.05)(duplicate), "waits"),
        (drop, "dropped"),
    ],
    ids=name_of,
)
def test_the_outcome_of_a_duplicate_that_runs(second_of, told, policy, outcome):
    first, second = second_of(policy)

    wait_until(lambda: told == [(second.id, outcome, "run", first.id)])


def test_a_task_that_waits_says_so_each_time(second_of, told, caplog):
    policy = retry(countdown=0.06, backoff=1, jitter=False)
    first, second = second_of(policy)
    line = f"work[{second.id}] waits for {first.id}, back in 0.1 s"

    wait_until(lambda: caplog.messages.count(line) >= 3)
    assert len(told) == 1
    [name] = {r.name for r in caplog.records if r.getMessage() == line}
    assert name == "unique_task.duplicates"


def test_a_value_that_has_come_answers(app, told):
    work = task_of(app, unique(on_duplicate="cached"))

    work.apply(task_id="first"), work.apply(task_id="second")

    assert told == [("second", "answered", "run", None)]


def test_a_call_that_is_replaced_is_told_and_counted(worker_app, told, caplog):
    worker_app.conf.unique_backend = MemoryBackend()
    policy = replace(countdown=0.5)
    work = task_of(worker_app, unique(lock="until_executed", on_duplicate=policy))
    before = duplicates["work"]
    first = work.delay()

    second = work.apply_async(countdown=30)

    with pytest.raises(TaskRevokedError, match=f"replaced by {second.id}"):
        value_of(first)
    assert told == [(first.id, "replaced", "run", second.id)]
    assert duplicates["work"] == before + 1
    assert f"work[{first.id}] was replaced by {second.id}" in caplog.messages
    second.revoke()
