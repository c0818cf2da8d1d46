"""How the guard reports locks and duplicates: signals, a counter, the log."""

import logging
from typing import Any

import pytest

from unique_task import (
    DuplicateTaskError,
    LockStoreError,
    MemoryBackend,
    duplicates,
    lock_acquired,
    lock_lost,
    lock_released,
    task_duplicate,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def sent_signals():
    """All signals, in their order: name, sender, arguments."""
    sent_signals = []
    receivers = {}
    for signal in (lock_acquired, lock_released, lock_lost, task_duplicate):

        def note(sender=None, signal=None, **arguments):
            sent_signals.append((signal.name, sender, arguments))

        receivers[signal] = note
        signal.connect(note, weak=False)
    yield sent_signals
    for signal, note in receivers.items():
        signal.disconnect(note)


@pytest.fixture
def work(app, gate):
    """A task that waits at the gate."""

    @app.task
    @unique(key="{item}")
    def work(item):
        gate.hold()

    return work


def named(sent_signals: list[Any], name: str) -> list[Any]:
    return [
        (sender, arguments)
        for found, sender, arguments in sent_signals
        if found == name
    ]


def test_the_signals_of_taking_and_releasing_carry_the_lock(
    app, sent_signals, work, gate
):
    gate.open()

    work.apply((1,), task_id="mine")

    assert [name for name, _, _ in sent_signals] == ["lock_acquired", "lock_released"]
    (_, sender, arguments), (_, freed_by, freed) = sent_signals
    assert sender is freed_by is app.tasks[work.name]
    assert arguments["lock"] is freed["lock"]
    assert arguments["lock"].owner == "mine"


def test_a_lock_is_held_at_the_first_signal_and_free_at_the_second(app, gate, work):
    store = app.conf.unique_backend
    held = []

    def look(lock=None, **_):
        held.append(store.get(lock.key) is not None)

    lock_acquired.connect(look)
    lock_released.connect(look)
    gate.open()

    work(1)

    assert held == [True, False]


def test_the_signal_of_a_duplicate_carries_both_ids(app, sent_signals, work, gate):
    with gate.holding(work.apply, (1,), task_id="first"):
        work.apply((1,), task_id="second")
        [(_, _, taken)] = sent_signals[:1]

        [(sender, arguments)] = named(sent_signals, "task_duplicate")

    assert sender is app.tasks[work.name]
    assert arguments == {
        "key": taken["lock"].key,
        "owner": "first",
        "task_id": "second",
        "outcome": "dropped",
        "at": "run",
    }


def test_the_signal_of_a_direct_call_that_is_a_duplicate_carries_no_id(
    sent_signals, work, gate
):
    with gate.holding(work, 1):
        work(1)

    [(_, arguments)] = named(sent_signals, "task_duplicate")
    assert arguments["task_id"] is None


def test_a_duplicate_takes_and_releases_no_lock(sent_signals, work, gate):
    with gate.holding(work, 1):
        work(1)

    assert (
        len(named(sent_signals, "lock_acquired"))
        == len(named(sent_signals, "lock_released"))
        == 1
    )


def test_an_error_of_a_receiver_does_not_reach_the_task(app, caplog):
    def fail(**_):
        raise RuntimeError("in the receiver")

    @app.task
    @unique
    def work():
        return "ran"

    lock_acquired.connect(fail)
    lock_released.connect(fail)

    assert work() == "ran"
    assert "in the receiver" in caplog.text


def test_duplicates_are_counted_by_task(work, gate):
    before = duplicates[work.name]

    with gate.holding(work, 1):
        work(1)
        work(1)

    work(1)
    assert duplicates[work.name] - before == 2


def test_a_call_that_gets_a_stored_value_counts_as_a_duplicate(app, sent_signals):
    @app.task
    @unique(on_duplicate="cached")
    def work():
        return 1

    before = duplicates[work.name]

    work(), work()

    assert duplicates[work.name] - before == 1
    [(_, arguments)] = named(sent_signals, "task_duplicate")
    assert arguments["owner"] is None


def test_the_log_of_a_duplicate_has_both_ids(work, gate, caplog):
    caplog.set_level(logging.INFO, logger="unique_task")

    with gate.holding(work.apply, (1,), task_id="first"):
        work.apply((1,), task_id="second")

    [record] = [r for r in caplog.records if r.name.startswith("unique_task")]
    assert record.levelname == "INFO"
    assert record.getMessage() == f"{work.name}[second] is a duplicate of first"


def test_a_run_without_a_duplicate_logs_nothing(work, gate, caplog):
    caplog.set_level(logging.DEBUG, logger="unique_task")
    gate.open()

    work(1)

    assert not [r for r in caplog.records if r.name.startswith("unique_task")]


def test_a_lock_that_another_call_took_is_reported_as_lost(app, sent_signals, caplog):
    store = app.conf.unique_backend

    @app.task
    @unique
    def work():
        [(_, _, taken)] = sent_signals
        lock = taken["lock"]
        store.release(lock.key, lock.record.token)
        return lock

    lock = work.apply(task_id="mine").result

    assert lock.lost
    assert [name for name, _, _ in sent_signals][1:] == ["lock_lost", "lock_released"]
    assert f"{work.name}[mine] lost its lock" in caplog.text


class Faulty(MemoryBackend):
    """A store that takes locks and then does not answer."""

    def _release(self, *args):
        raise LockStoreError("the store is gone")


@pytest.mark.parametrize("policy", ["ignore", "cached"])
def test_an_error_on_releasing_does_not_replace_the_result(app, caplog, policy):
    app.conf.unique_backend = Faulty()

    @app.task
    @unique(on_duplicate=policy)
    def work():
        return "ran"

    assert work() == "ran"
    assert "could not release its lock, which ends in 1" in caplog.text
    assert "the store is gone" in caplog.text


def test_an_error_on_releasing_does_not_replace_the_exception(app, caplog):
    app.conf.unique_backend = Faulty()

    @app.task
    @unique
    def work():
        raise ZeroDivisionError("in the body")

    with pytest.raises(ZeroDivisionError, match="in the body"):
        work()
    assert "could not release its lock" in caplog.text


def test_a_lock_that_could_not_be_released_stands_for_its_lease(app):
    app.conf.unique_backend = Faulty()

    @app.task
    @unique(on_duplicate="raise")
    def work():
        return "ran"

    work()

    with pytest.raises(DuplicateTaskError) as caught:
        work()
    assert 5 < (caught.value.remaining or 0) <= 15
