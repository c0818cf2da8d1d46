"""A task that sends its own next run: ``unique="successor"``."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from celery.exceptions import Reject

from tests.inprocess import value_of
from tests.waiting import wait_until
from unique_task import (
    ConfigurationError,
    MemoryBackend,
    UniqueCeleryTask,
    cached,
    current_lock,
    retry,
    skip,
    unique,
)
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

LOCKS = list(LOCK_TYPES)
#: With all others a successor need not wait for the end of a window.
NO_WINDOW = [lock for lock in LOCKS if lock != "until_expired"]
POLICIES: dict[str, Any] = {
    "ignore": "ignore",
    "skip": skip(17),
    "raise": "raise",
    "retry, for a moment": retry(countdown=0.05, timeout=0.1),
    "cached": cached(60),
}


class Journal:
    """What ran, and whether two ran at a time."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.now = 0
        self.most = 0

    def __enter__(self) -> None:
        self.runs.append(current_lock().owner)
        self.now += 1
        self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        self.now -= 1


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def locks():
    return MemoryBackend()


def send_next(task: Any, *args: Any, **options: Any) -> Any:
    """From a function that the body calls."""
    return task.apply_async(args, unique="successor", **options)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_each_run_sends_the_next_one(worker_app, journal, locks, gate, lock, late):
    """It arrives while its sender runs, and starts when that has ended."""
    soon = retry(countdown=0.1, maximum=0.1)

    @worker_app.task(acks_late=late)
    @unique(key=(), lock=lock, expire=0.5, backend=locks, on_duplicate={"run": soon})
    def work(number):
        with journal:
            if number < 3:
                assert not send_next(work, number + 1).duplicate
            if number == 1:
                gate.hold()

    work.delay(1)
    gate.wait_for_arrival()
    gate.open()

    wait_until(lambda: len(journal.runs) == 3 and not journal.now)
    assert journal.most == 1
    assert len(set(journal.runs)) == 3


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
@pytest.mark.parametrize("policy", POLICIES)
def test_it_waits_whatever_the_policy(
    worker_app, journal, locks, gate, caplog, lock, policy
):
    caplog.set_level("INFO", "unique_task")

    @worker_app.task
    @unique(key=(), lock=lock, backend=locks, on_duplicate=POLICIES[policy])
    def work(number):
        with journal:
            if number == 1:
                send_next(work, 2)
                gate.hold()

    work.delay(1)
    gate.wait_for_arrival()
    wait_until(lambda: "back in" in caplog.text)
    gate.open()

    wait_until(lambda: len(journal.runs) == 2 and not journal.now)
    assert journal.most == 1


ENDS = {
    "fails": ValueError("the body fails"),
    "rejects": Reject("the body rejects", requeue=False),
    "is broken off": SystemExit(),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("lock", NO_WINDOW)
def test_it_runs_however_its_sender_ends(worker_app, journal, locks, lock, end):
    @worker_app.task
    @unique(key=(), lock=lock, backend=locks)
    def work(number):
        with journal:
            if number == 1:
                send_next(work, 2)
                raise ENDS[end]

    work.delay(1)

    wait_until(lambda: len(journal.runs) == 2)


@pytest.mark.parametrize("autoretry", [(), (KeyError,)], ids=["by hand", "autoretry"])
@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_sender_that_retries_has_one_successor(worker_app, locks, lock, autoretry):
    """Each try sends it once more; the last one leaves it the lock."""
    sent, keys = [], set()

    @worker_app.task(bind=True, autoretry_for=autoretry, retry_kwargs={"countdown": 0})
    @unique(lock=lock, backend=locks)
    def work(self):
        keys.add(current_lock().key)
        sent.append(send_next(work, countdown=600))
        if len(sent) < 3:
            raise KeyError if autoretry else self.retry(countdown=0)
        return "done"

    assert value_of(work.delay()) == "done"

    assert [result.duplicate for result in sent] == [False, True, True]
    assert len({result.id for result in sent}) == 1
    [key] = keys
    heir = locks.get(key)
    assert (heir is None) == (lock == "while_executing")
    assert heir is None or heir.record.owner == sent[0].id


def test_the_second_successor_is_a_duplicate_of_the_first(worker_app, journal, caplog):
    @worker_app.task
    @unique(key=(), backend=MemoryBackend())
    def work(number):
        with journal:
            return [send_next(work, 2).id for _ in range(number % 2 * 2)]

    first, second = value_of(work.delay(1))

    assert first == second
    assert f"a successor of this key waits already, {first}" in caplog.text
    wait_until(lambda: journal.runs[1:] == [first])


def test_the_lock_goes_on_to_the_successor(worker_app, journal, locks):
    """With ``until_executed`` nobody comes between."""

    @worker_app.task
    @unique(key=(), lock="until_executed", backend=locks)
    def work(number):
        with journal:
            return send_next(work, 2, countdown=0.5).id if number == 1 else None

    successor = value_of(work.delay(1))
    between = work.delay(1)

    assert between.duplicate and between.id == successor
    wait_until(lambda: len(journal.runs) == 2 and not journal.now)
    assert value_of(work.delay(3)) is None


@pytest.mark.parametrize("lock", LOCKS)
def test_a_successor_that_cannot_be_sent_keeps_nothing(app, locks, lock, monkeypatch):
    @app.task
    @unique(key=(), lock=lock, backend=locks, expire=600)
    def work():
        monkeypatch.setattr(app.amqp, "send_task_message", fail)
        with pytest.raises(OSError, match="away"):
            send_next(work)
        monkeypatch.undo()
        return send_next(work).duplicate

    def fail(*_, **__):
        raise OSError("the broker is away")

    assert work() is False


def test_a_signature_can_say_so(worker_app, journal, locks):
    @worker_app.task
    @unique(key=(), lock="until_executed", backend=locks)
    def work(number):
        with journal:
            if number == 1:
                work.si(2).set(unique="successor").apply_async()

    work.delay(1)

    wait_until(lambda: len(journal.runs) == 2)


def test_a_thread_of_the_body_can_send_it(worker_app, journal, locks):
    @worker_app.task
    @unique(key=(), lock="until_executed", backend=locks)
    def work(number):
        with journal:
            if number == 1:
                thread = Thread(target=send_next, args=(work, 2))
                thread.start()
                thread.join(30)

    work.delay(1)

    wait_until(lambda: len(journal.runs) == 2)
    assert journal.most == 1


@pytest.mark.parametrize("lock", NO_WINDOW)
def test_outside_of_a_body_it_waits_for_who_holds_the_key(
    worker_app, journal, locks, gate, lock
):
    @worker_app.task
    @unique(key=(), lock=lock, backend=locks)
    def work(number):
        with journal:
            gate.hold()

    work.delay(1)
    gate.wait_for_arrival()
    later = send_next(work, 2)
    assert not later.duplicate
    gate.open()

    wait_until(lambda: len(journal.runs) == 2)
    assert journal.runs[1] == later.id


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_value_of_the_run_that_it_follows_does_not_answer_it(worker_app, lock, locks):
    @worker_app.task
    @unique(key=(), lock=lock, on_duplicate=cached(60), backend=locks)
    def count(number):
        return number

    assert value_of(count.delay(1)) == 1
    assert value_of(send_next(count, 2)) == 2


def test_where_nobody_holds_the_key_it_is_a_call_like_others(worker_app, gate, locks):
    @worker_app.task
    @unique(key=(), lock="until_executed", backend=locks)
    def work():
        gate.hold()

    first = send_next(work)
    gate.wait_for_arrival()

    assert work.delay().duplicate
    gate.open()
    value_of(first)


def test_a_retry_of_a_successor_is_none(worker_app, journal, locks):
    @worker_app.task(bind=True)
    @unique(key=(), lock="until_executed", backend=locks)
    def work(self, number):
        with journal:
            if number == 1:
                send_next(work, 2)
            elif not self.request.retries:
                raise self.retry(countdown=0)

    work.delay(1)

    wait_until(lambda: len(journal.runs) == 3 and not journal.now)
    wait_until(lambda: not work.delay(3).duplicate)


def test_a_direct_call_can_have_a_successor(app, locks):
    @app.task
    @unique(key=(), lock="until_executed", backend=locks)
    def work():
        return send_next(work)

    successor = work()

    assert not successor.duplicate
    assert work.delay().id == successor.id


def test_an_eager_one_runs_in_place(app, journal, locks):
    app.conf.task_always_eager = True

    @app.task
    @unique(key=(), backend=locks)
    def work(number):
        with journal:
            if number < 3:
                send_next(work, number + 1)

    work.delay(1)

    assert len(journal.runs) == 3


def test_a_task_without_guard_has_no_successor(app):
    @app.task
    def plain():
        """Not guarded."""

    with pytest.raises(ConfigurationError, match="for tasks with @unique"):
        send_next(plain)


def test_the_error_of_a_wrong_word_names_the_right_one(app):
    @app.task
    @unique
    def work():
        """Never sent."""

    with pytest.raises(ConfigurationError, match="True, False, 'successor', and a"):
        work.apply_async(unique="succesor")


# Who sends a call of its own key without saying what it is for


NAMES_THE_WAY = 'unique="successor"'


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_who_meets_itself_is_warned_and_does_not_run(
    worker_app, journal, locks, gate, caplog, lock
):
    @worker_app.task
    @unique(key=(), lock=lock, backend=locks)
    def work():
        with journal:
            work.delay()
            gate.hold()

    work.delay()
    gate.wait_for_arrival()

    wait_until(lambda: NAMES_THE_WAY in caplog.text)
    gate.open()
    wait_until(lambda: not journal.now)
    assert "current_lock().release()" in caplog.text
    assert len(journal.runs) == 1


def test_who_meets_another_one_is_not_warned(worker_app, journal, gate, caplog):
    @worker_app.task
    @unique(key=(), lock="until_executed", backend=MemoryBackend())
    def work():
        gate.hold()

    work.delay()
    gate.wait_for_arrival()
    assert work.delay().duplicate
    gate.open()

    assert NAMES_THE_WAY not in caplog.text


# A lock that is freed before the body ends


class Releasing(UniqueCeleryTask):
    def release(self) -> bool:
        return self.release_lock(self.generate_lock_id())


FREES: dict[str, Callable[[Any], bool]] = {
    "current_lock": lambda task: current_lock().release(),
    "release_lock": Releasing.release,
}


@pytest.mark.parametrize("how", FREES)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_after_a_release_an_equal_call_runs_beside(
    worker_app, journal, gate, locks, how, late
):
    said = {"lock": "until_executed", "key": (), "backend": locks}
    options = {"unique_options": said}
    base = type("Base", (Releasing,), {"abstract": True, **options})

    @worker_app.task(base=base, bind=True, acks_late=late)
    def work(self, next_one=None):
        with journal:
            if journal.now == 1:
                assert FREES[how](self) is True
                assert FREES[how](self) is False
                assert not self.delay().duplicate
            gate.hold()

    work.delay()

    gate.wait_for_arrival()
    gate.wait_for_arrival()
    assert journal.most == 2
    gate.open()
    wait_until(lambda: not journal.now)
