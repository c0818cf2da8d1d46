"""Tasks with ``limit=n``: as many run at once, and each is guarded as one would be."""

from threading import Event
from typing import Any

import pytest
from celery import states
from celery.exceptions import Ignore, Retry, TaskRevokedError
from celery.signals import task_prerun

from tests.forking import in_fork
from tests.held_lock import held_lock
from tests.inprocess import TIMEOUT, Gate, value_of
from tests.published_calls import key_of
from tests.waiting import wait_until
from unique_task import (
    DuplicateTaskError,
    MemoryBackend,
    UniqueLimitError,
    current_lock,
    retry,
    unique,
)
from unique_task.backends.record import Record, Token
from unique_task.leases.process import this_process
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

LOCKS = list(LOCK_TYPES)
SOON = retry(countdown=0.05, maximum=0.1)


@pytest.fixture
def store():
    return MemoryBackend()


class Guarded:
    """Makes a task ``work(item)`` with one key, which waits at the gate.

    Attributes:
        runs: the items of the bodies that have started.
    """

    def __init__(self, app: Any, gate: Gate, store: MemoryBackend) -> None:
        self._app = app
        self._gate = gate
        self._store = store
        self.runs: list[Any] = []

    def __call__(self, acks_late: bool = False, **options: Any) -> Any:
        guard: Any = unique(
            **{"key": (), "backend": self._store, "limit": 2, **options}
        )

        def work(item: Any = 1) -> Any:
            self.runs.append(item)
            self._gate.hold()
            return item

        return self._app.task(name="several", acks_late=acks_late)(guard(work))


@pytest.fixture
def guarded(worker_app: Any, gate: Gate, store: MemoryBackend) -> Guarded:
    return Guarded(worker_app, gate, store)


def holders(store: MemoryBackend, task: Any, more: str = "") -> list[str]:
    """Return who holds the key of the task, sorted."""
    return sorted(held.record.owner for held in store.holders(key_of(task) + more))


def test_as_many_run_at_once_as_the_limit_says(guarded, gate, store):
    work = guarded()
    first, second = work.delay(1), work.delay(2)
    gate.wait_for_arrival()
    gate.wait_for_arrival()
    assert holders(store, work) == sorted([first.id, second.id])

    with pytest.raises(TaskRevokedError, match="duplicate of"):
        value_of(work.delay(3))
    gate.open()

    assert {value_of(first), value_of(second)} == {1, 2}
    wait_until(lambda: not holders(store, work))
    assert value_of(work.delay(4)) == 4


def test_one_that_waits_runs_when_one_of_them_ends(worker_app, store):
    gates = {item: Event() for item in range(3)}

    @worker_app.task
    @unique(key=(), backend=store, limit=2, on_duplicate=SOON)
    def work(item=0):
        assert gates[item].wait(TIMEOUT)
        return item

    results = [work.delay(item) for item in range(2)]
    wait_until(lambda: len(holders(store, work)) == 2)
    third = work.delay(2)
    wait_until(lambda: third.state == states.RETRY)
    gates[1].set()
    gates[2].set()

    assert value_of(third) == 2
    assert not results[0].ready()
    gates[0].set()
    assert [value_of(result) for result in results] == [0, 1]


def test_each_has_a_token_a_lease_and_a_fence_of_its_own(worker_app, store, gate):
    locks = []

    @worker_app.task
    @unique(key=(), backend=store, limit=2)
    def work(item=0):
        locks.append(current_lock())
        gate.hold()

    results = [work.delay(item) for item in range(2)]
    for _ in results:
        gate.wait_for_arrival()

    one, two = locks
    assert one.key == two.key
    assert one.fence != two.fence
    assert {one.owner, two.owner} == {result.id for result in results}
    assert one.release() and not one.release()
    assert holders(store, work) == [two.owner]
    assert two.extend(500) and two.remaining() > 400
    gate.open()


def test_the_error_names_the_holder_that_ends_first(guarded, gate, store):
    work = guarded(on_duplicate="raise", renew=False, expire=50)
    for owner, expire in (("late", 90), ("soon", 40)):
        record = Record(Token.of_attempt(owner), work.name)
        store.acquire(key_of(work), record, expire=expire, limit=2)

    with pytest.raises(DuplicateTaskError) as error:
        value_of(work.delay())

    assert error.value.owner == "soon"
    assert 30 < (error.value.remaining or 0) <= 40


def test_a_call_of_its_own_key_takes_no_second_place(worker_app, store):
    @worker_app.task
    @unique(key=(), backend=store, limit=2)
    def work(depth=0):
        if depth:
            return work(depth - 1)
        return holders(store, work)

    result = work.delay(3)

    assert value_of(result) == [result.id]


@pytest.mark.parametrize("acks_late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("lock", LOCKS)
def test_a_second_delivery_never_runs_beside_the_first(
    guarded, gate, redeliver, arrivals, lock, acks_late
):
    work = guarded(lock=lock, limit=3, acks_late=acks_late)
    first = work.delay()
    gate.wait_for_arrival()

    redeliver(work, first)
    wait_until(lambda: arrivals)
    assert arrivals == [states.IGNORED]
    assert guarded.runs == [1]
    gate.open()

    assert value_of(first) == 1


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_second_delivery_that_finds_no_room_writes_no_state(
    guarded, gate, redeliver, arrivals, lock
):
    """Also if its first delivery is not the holder that ends first."""
    work = guarded(lock=lock, on_duplicate=SOON, acks_late=True)
    first = work.delay(1)
    gate.wait_for_arrival()
    second = work.delay(2)
    gate.wait_for_arrival()

    redeliver(work, second)
    wait_until(lambda: arrivals)

    assert (first.state, second.state) == (states.PENDING, states.PENDING)
    gate.open()
    assert (value_of(first), value_of(second)) == (1, 2)


class LooksLate(MemoryBackend):
    """Shows who holds a lock once nobody but the one that asks does."""

    def _holders(self, key):
        wait_until(lambda: len(super(LooksLate, self)._holders(key)) < 2)
        return super()._holders(key)


def test_a_second_delivery_that_is_let_in_as_the_first_leaves_does_not_run(
    worker_app, gate, redeliver, arrivals
):
    store, runs = LooksLate(), []

    @worker_app.task(acks_late=True)
    @unique(key=(), backend=store, limit=3)
    def work():
        runs.append(1)
        gate.hold()

    first = work.delay()
    gate.wait_for_arrival()
    redeliver(work, first)
    places = super(LooksLate, store)._holders
    wait_until(lambda: len(places(key_of(work))) == 2)
    gate.open()

    wait_until(lambda: sorted(arrivals) == [states.IGNORED, states.SUCCESS])
    assert len(runs) == 1
    assert not store.holders(key_of(work))


# The dead


@pytest.fixture(scope="module")
def gone() -> str:
    """A process of this machine that has ended."""
    process = in_fork(this_process)
    if not process:
        pytest.skip("nothing tells whether a process is gone")
    return process


def hold(
    store: MemoryBackend, task: Any, owner: str, process: str, expire: float = 600
) -> None:
    record = Record(Token.of_attempt(owner), task.name, process=process, final=True)
    store.acquire(key_of(task), record, expire=expire, limit=2)


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_dead_holder_keeps_no_place_though_another_ends_before_it(
    guarded, gate, store, gone, lock
):
    work = guarded(lock=lock, on_duplicate="raise")
    hold(store, work, "lives", this_process(), expire=60)
    hold(store, work, "died", gone)
    gate.open()

    assert value_of(work.delay(3)) == 3
    wait_until(lambda: holders(store, work) == ["lives"])


def test_a_second_delivery_takes_the_place_of_its_dead_first(
    guarded, gate, store, gone, redeliver, worker_app
):
    work = guarded(limit=3, acks_late=True)
    first = work.delay()
    gate.wait_for_arrival()
    [held] = store.holders(key_of(work))
    # As if its process had been killed.
    record = Record(held.record.token, work.name, process=gone)
    store.acquire(key_of(work), record, 600, take_over_from=[record.token], limit=3)

    redeliver(work, first)

    gate.wait_for_arrival()
    assert guarded.runs == [1, 1]
    [held] = store.holders(key_of(work))
    assert held.record.process == this_process()
    gate.open()


# Retries


@pytest.fixture
def arrived():
    """The ids of the tasks that have come to a worker."""
    arrived: list[str] = []

    def note(task_id, **_):
        arrived.append(task_id)

    task_prerun.connect(note)
    yield arrived
    task_prerun.disconnect(note)


@pytest.mark.parametrize("countdown", [0, 0.2])
def test_a_retry_keeps_its_place_and_takes_no_other(worker_app, store, countdown):
    seen = []

    @worker_app.task(bind=True, max_retries=5)
    @unique(key=(), backend=store, limit=3, lock="until_executed")
    def work(self):
        seen.append(holders(store, work))
        if self.request.retries < 3:
            raise self.retry(countdown=countdown)
        return self.request.retries

    result = work.delay()

    assert value_of(result) == 3
    assert seen == [[result.id]] * 4
    wait_until(lambda: not holders(store, work))


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_retry_does_not_run_beside_the_try_that_sent_it(
    worker_app, store, arrived, lock
):
    at_once, most = [0], [0]

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock=lock)
    def work(self):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        try:
            if not self.request.retries:
                self.retry(countdown=0, throw=False)
                # Long enough for the next try to come.
                wait_until(lambda: len(arrived) > 1)
            return self.request.retries
        finally:
            at_once[0] -= 1

    result = work.delay()
    wait_until(lambda: len(arrived) > 1 and not holders(store, work))
    wait_until(lambda: result.ready())
    assert most == [1]


class LooksAfterHeir(MemoryBackend):
    """Shows who holds a lock once one is alone, or a message has inherited a place."""

    def _holders(self, key):
        held = super()._holders
        wait_until(
            lambda: len(held(key)) < 2
            or any(each.record.state == "pending" for each in held(key))
        )
        return held(key)


def test_a_retry_that_is_let_in_before_it_inherits_a_place_keeps_one(
    worker_app, arrived
):
    store = LooksAfterHeir()
    places: list[str] = []

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock="until_executed")
    def work(self):
        held = super(LooksAfterHeir, store)._holders
        if self.request.retries:
            places.extend(each.record.owner for each in held(key_of(work)))
            return
        try:
            self.retry(countdown=0)
        except Retry:
            wait_until(lambda: len(held(key_of(work))) == 2)
            raise

    result = work.delay()

    value_of(result)
    assert places == [result.id]
    assert len(arrived) == 2  # it has not come back later


def test_a_task_that_replaces_itself_does_not_run_beside_itself(
    worker_app, store, arrived
):
    runs: list[str] = []

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock="until_executed")
    def work(self):
        runs.append("begins")
        try:
            if not self.request.replaced_task_nesting:
                self.replace(work.si())
        except Ignore:
            wait_until(lambda: len(arrived) > 1)
            raise
        finally:
            runs.append("ends")

    value_of(work.delay())

    assert runs == ["begins", "ends"] * 2


def test_a_place_that_vanished_is_taken_again_beside_others(guarded, gate, worker_app):
    store = MemoryBackend()
    found: list[str] = []

    @worker_app.task
    @unique(key=(), backend=store, limit=2)
    def work():
        lock = held_lock()
        hold(store, work, "other", this_process())
        assert store.release(lock.lock, lock.record.token, limit=2)
        lock.extend(60)
        found.extend(holders(store, work))

    result = work.delay()

    value_of(result)
    assert found == sorted(["other", result.id])


# Locks that are taken at publish


def test_until_expired_has_so_many_places_in_a_window(guarded, gate, redeliver, store):
    work = guarded(lock="until_expired", acks_late=True)
    gate.open()
    first, second = work.delay(1), work.delay(2)
    assert (first.duplicate, second.duplicate) == (False, False)
    assert work.delay(3).duplicate
    assert (value_of(first), value_of(second)) == (1, 2)

    assert work.delay(4).duplicate
    assert holders(store, work) == sorted([first.id, second.id])


def test_a_call_has_one_place_in_a_window_however_often_it_is_delivered(
    worker_app, store, gate, redeliver, arrivals
):
    """The first delivery was broken off, so that the second one runs."""
    runs = []

    @worker_app.task(acks_late=True)
    @unique(key=(), backend=store, limit=3, lock="until_expired")
    def work():
        runs.append(1)
        if len(runs) == 1:
            raise SystemExit

    first = work.delay()
    wait_until(lambda: arrivals)
    redeliver(work, first)
    wait_until(lambda: len(arrivals) == 2)

    assert len(runs) == 2
    assert holders(store, work) == [first.id]


def test_until_and_while_executing_runs_so_many_and_lets_one_wait(guarded, gate, store):
    work = guarded(lock="until_and_while_executing", on_duplicate={"run": SOON})
    running = []
    for item in (1, 2):
        running.append(work.delay(item))
        gate.wait_for_arrival()

    waiting, dropped = work.delay(3), work.delay(4)
    assert (waiting.duplicate, dropped.duplicate) == (False, True)
    assert dropped.id == waiting.id
    wait_until(lambda: waiting.state == states.RETRY)
    gate.open()

    assert [value_of(result) for result in [*running, waiting]] == [1, 2, 3]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_of_each_type_is_free_in_the_end(guarded, gate, store, lock):
    work = guarded(lock=lock, on_duplicate=SOON, expire=0.2, renew=True)
    gate.open()
    for result in [work.delay(item) for item in range(4)]:
        value_of(result)

    wait_until(lambda: not holders(store, work))
    assert not holders(store, work, ".pending")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_successor_does_not_run_beside_the_call_that_sends_it(
    worker_app, store, arrivals, lock
):
    seen = []

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock=lock, expire=2, on_duplicate=SOON)
    def work(self, last=False):
        if last:
            seen.append("successor")
            return
        work.apply_async((True,), unique="successor")
        # It has come, and was sent back.
        wait_until(lambda: arrivals)
        seen.append("sender")

    value_of(work.delay())

    wait_until(lambda: len(seen) == 2)
    assert seen == ["sender", "successor"]
    wait_until(lambda: not holders(store, work))
    assert not holders(store, work, ".successor")


# What decides the limit


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
