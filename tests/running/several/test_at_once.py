"""Tasks with ``limit=n``: as many run at once, and each is guarded as one would be."""

from threading import Event

import pytest
from celery import states
from celery.exceptions import TaskRevokedError

from tests.inprocess import TIMEOUT, value_of
from tests.published_calls import key_of
from tests.running.several.guarded import LOCKS, SOON, holders
from tests.waiting import wait_until
from unique_task import DuplicateTaskError, MemoryBackend, current_lock, unique
from unique_task.backends.record import Record, Token

pytest_plugins = "tests.inprocess_fixtures"


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
