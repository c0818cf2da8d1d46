"""When the outcome of a task can be seen, the next equal call can run at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from celery import Task, chain, group, signals, states
from celery.exceptions import Ignore, Reject

from tests.inprocess import value_of
from tests.waiting import wait_until
from unique_task import MemoryBackend, current_lock, unique
from unique_task.keys.digest import digest_of

pytest_plugins = "tests.inprocess_fixtures"

#: The types whose lock keeps equal calls away while the body runs.
LOCKS = ["while_executing", "until_executed", "until_and_while_executing"]


def raising(error: Exception) -> Callable[[], NoReturn]:
    def end() -> NoReturn:
        raise error

    return end


ENDS: dict[str, Callable[[], Any]] = {
    "return": lambda: "ran",
    "error": raising(ValueError("the body fails")),
    "wanted error": raising(KeyError("the body fails as autoretry_for says")),
    "unwanted error": raising(IndexError("it fails as dont_autoretry_for says")),
    "ignore": raising(Ignore()),
    "reject": raising(Reject("the body rejects", requeue=False)),
}


@dataclass
class Seen:
    """Whether the key was held when the outcome of the task could be seen."""

    locks: MemoryBackend = field(default_factory=MemoryBackend)
    name: str = ""
    #: Who saw it -> whether the key was held.
    held: dict[str, bool] = field(default_factory=dict)

    def look(self, who: str) -> None:
        key = digest_of("seen", "key")
        # A reservation of the next try counts too.
        names = key, f"{key}.pending"
        self.held[who] = any(self.locks.get(name) is not None for name in names)


@pytest.fixture
def seen(monkeypatch, worker_app) -> Iterator[Seen]:
    """Note the first moments when others, or receivers of signals, see the outcome."""
    seen = Seen()
    kind = type(worker_app.backend)
    store = kind.store_result

    def store_result(self, task_id, result, state, **options):
        if state in states.READY_STATES:
            seen.look("result")
        return store(self, task_id, result, state, **options)

    monkeypatch.setattr(kind, "store_result", store_result)
    with receivers(seen, "task_success", "task_failure", "task_postrun"):
        yield seen


@contextmanager
def receivers(seen: Seen, *names: str) -> Iterator[None]:
    def receiver(name: str) -> Callable[..., None]:
        def look(sender: Task, **_: Any) -> None:
            if sender.name == seen.name:
                seen.look(name)

        return look

    looking = {name: receiver(name) for name in names}
    for name, look in looking.items():
        getattr(signals, name).connect(look)
    yield
    for name, look in looking.items():
        getattr(signals, name).disconnect(look)


def seeing(seen: Seen) -> type[Task]:
    class Seeing(Task):
        abstract = True

        def on_success(self, *args: Any) -> None:
            seen.look("on_success")

        def on_failure(self, *args: Any) -> None:
            seen.look("on_failure")

        def after_return(self, *args: Any) -> None:
            seen.look("after_return")

    return Seeing


@pytest.fixture
def make(worker_app, seen):
    def make(lock, **options):
        # A new name: a task of another test may still retry.
        @worker_app.task(name=f"work-{uuid4().hex}", base=seeing(seen), **options)
        @unique(key="key", namespace="seen", lock=lock, backend=seen.locks)
        def work(how):
            return ENDS[how]()

        seen.name = work.name
        return work

    return make


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_is_free_before_the_outcome_can_be_seen(make, seen, lock, late, how):
    work = make(lock, acks_late=late)

    work.delay(how)

    wait_until(lambda: "task_postrun" in seen.held)
    assert not any(seen.held.values()), seen.held


#: Errors that are not retried, though some are.
NOT_RETRIED = {
    "another error": ("error", {}),
    "not wanted": ("unwanted error", {}),
    "no more tries": ("wanted error", {"max_retries": 0}),
    "rejected": ("reject", {}),
}


@pytest.mark.parametrize(("how", "options"), NOT_RETRIED.values(), ids=NOT_RETRIED)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_an_error_that_is_not_retried_releases_the_lock_first(
    make, seen, late, how, options
):
    work = make(
        "until_executed",
        acks_late=late,
        autoretry_for=(LookupError,),
        dont_autoretry_for=(IndexError,),
        **options,
    )

    work.delay(how)

    wait_until(lambda: "task_postrun" in seen.held)
    assert not any(seen.held.values()), seen.held


def by_autoretry(task: Task) -> None:
    raise KeyError


def by_hand(task: Task) -> None:
    raise task.retry(countdown=0)


def given_up(task: Task) -> None:
    raise task.retry(countdown=0, max_retries=0)


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("again", [by_autoretry, by_hand])
def test_between_two_tries_the_lock_is_kept(worker_app, seen, late, again):
    tries = []

    @worker_app.task(
        bind=True,
        acks_late=late,
        autoretry_for=(KeyError,),
        retry_kwargs={"countdown": 0},
    )
    @unique(key="key", namespace="seen", lock="until_executed", backend=seen.locks)
    def work(self):
        tries.append(current_lock().fence)
        wait_until(lambda: len(held) == len(tries) - 1)
        if len(tries) < 3:
            again(self)

    seen.name = work.name
    held: list[bool] = []

    @signals.task_retry.connect
    def look(sender, **_):
        held.append(work.delay().duplicate)

    value_of(work.delay())

    assert len(tries) == 3
    assert held == [True, True]
    assert not seen.held["result"]


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("autoretry", [(), (KeyError,)], ids=["plain", "autoretry"])
def test_a_retry_beyond_the_limit_releases_the_lock_first(
    worker_app, seen, late, autoretry
):
    @worker_app.task(bind=True, acks_late=late, autoretry_for=autoretry)
    @unique(key="key", namespace="seen", lock="until_executed", backend=seen.locks)
    def work(self):
        given_up(self)

    seen.name = work.name

    with pytest.raises(work.MaxRetriesExceededError):
        value_of(work.delay())

    assert not any(seen.held.values()), seen.held


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_a_value_is_stored_before_the_outcome_can_be_seen(worker_app, late):
    runs = []

    @worker_app.task(acks_late=late)
    @unique(on_duplicate="cached", lock="until_executed")
    def work():
        runs.append(1)
        return len(runs)

    assert [value_of(work.delay()) for _ in range(5)] == [1] * 5


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("lock", LOCKS)
def test_a_caller_with_the_result_runs_the_next_call(worker_app, lock, late):
    @worker_app.task(acks_late=late)
    @unique(lock=lock)
    def work():
        return current_lock().owner

    calls = []
    for _ in range(5):
        calls.append(work.delay())
        value_of(calls[-1])

    assert [value_of(call) for call in calls] == [call.id for call in calls]
    assert len({call.id for call in calls}) == 5


PLACES: dict[str, Callable[[Task], Any]] = {
    "a task": lambda task: task.si(),
    "a chain": lambda task: chain(task.si(), task.si()),
    "a group": lambda task: group([task.si(), task.si()]),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_is_free_before_others_take_the_place_of_the_task(
    worker_app, seen, lock, late, place
):
    @worker_app.task
    def other():
        return "other"

    @worker_app.task(bind=True, acks_late=late)
    @unique(key="key", namespace="seen", lock=lock, backend=seen.locks)
    def work(self):
        raise self.replace(place(other))

    @signals.before_task_publish.connect
    def look(sender, **_):
        if sender == other.name:
            seen.look("sent")

    assert "other" in value_of(work.delay())
    assert seen.held["sent"] is False
