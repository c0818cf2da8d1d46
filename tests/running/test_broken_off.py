"""A call that breaks off while it asks for its lock leaves no lock behind."""

from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from tests.inprocess import value_of
from tests.published_calls import CutOff, task_of
from tests.waiting import wait_until
from unique_task import LockStoreError, MemoryBackend, lock_acquired, unique
from unique_task.leases import background
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

#: Lock types that end with their task; a window stays.
ENDING = [kind.name for kind in LOCK_TYPES.values() if not kind.ends_by_time]

each_lock = pytest.mark.parametrize("lock", ENDING)
#: Each with the number of its questions: for its own lock, and for what was reserved.
QUESTIONS = [
    (lock, number)
    for lock in ENDING
    for number in ((1, 2) if LOCK_TYPES[lock].two_locks else (1,))
]

each_question = pytest.mark.parametrize("lock, number", QUESTIONS)
each_error = pytest.mark.parametrize(
    "error",
    [LockStoreError("no answer"), SoftTimeLimitExceeded(), CutOff()],
    ids=["no answer", "soft time limit", "killed"],
)


class Deaf(MemoryBackend):
    """Gives locks but loses its answers, and then does not answer for a while."""

    error: BaseException | None = None
    #: Which question it is that nobody hears the answer of, from now on.
    number = 1
    away = 2

    def _acquire(self, wanted):
        answer = super()._acquire(wanted)
        self.number -= 1
        if self.error is not None and not self.number:
            error, self.error = self.error, None
            raise error
        return answer

    def _release(self, *args):
        if not self.number and self.away:
            self.away -= 1
            raise LockStoreError("still away")
        return super()._release(*args)

    @property
    def kept(self) -> list[str]:
        return [key for kind, key in list(self._cells) if kind == "lock"]


@pytest.fixture
def store(worker_app, monkeypatch) -> Deaf:
    monkeypatch.setattr(background, "_PAUSE", 0.02)
    store = Deaf()
    worker_app.conf.unique_backend = store
    return store


@pytest.fixture
def make(worker_app, store, request) -> Any:
    """Make a task with a lock of this type and a name that no other test has."""

    def make(lock: Any, **options: Any) -> Any:
        guard = unique(lock=lock, renew=False, **options)
        return task_of(worker_app, guard, name=request.node.name)

    return make


@each_error
@each_lock
def test_a_direct_call_that_breaks_off_leaves_no_lock(make, store, lock, error):
    task = make(lock)
    store.error = error

    with pytest.raises(type(error)):
        task()

    wait_until(lambda: not store.kept)


@each_error
def test_an_eager_call_that_breaks_off_leaves_no_lock(make, store, error):
    task = make("while_executing")
    store.error = error

    try:
        task.apply()
    except CutOff:
        pass

    wait_until(lambda: not store.kept)


def test_a_call_that_breaks_off_with_its_lock_in_hand_leaves_none(make, store):
    def cut_off(**_: Any) -> None:
        assert store.kept
        raise CutOff

    task = make("while_executing")
    lock_acquired.connect(cut_off)
    try:
        with pytest.raises(CutOff):
            task()
    finally:
        lock_acquired.disconnect(cut_off)

    wait_until(lambda: not store.kept)


@each_question
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_a_task_that_fails_without_its_store_leaves_no_lock(
    worker_app, make, store, monkeypatch, lock, number, late
):
    monkeypatch.setitem(worker_app.conf, "unique_on_unavailable", "raise")
    task = make(lock)
    task.acks_late = late
    store.error, store.number = LockStoreError("no answer"), number

    result = task.delay()

    with pytest.raises(LockStoreError):
        value_of(result)
    wait_until(lambda: not store.kept)
    assert not task.delay().duplicate


@each_question
def test_a_task_that_runs_without_its_store_leaves_no_lock(
    worker_app, make, store, monkeypatch, lock, number
):
    monkeypatch.setitem(worker_app.conf, "unique_on_unavailable", "run")
    task = make(lock)
    store.error, store.number = LockStoreError("no answer"), number

    assert value_of(task.delay()) is None

    wait_until(lambda: not store.kept)
