"""The renewal of leases, by a keeper and a Redis of the test's own."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from threading import enumerate as enumerate_threads

import pytest
from celery import Task

from tests.forking import in_fork
from tests.servers import RedisServer
from tests.waiting import in_time, wait_until
from unique_task import MemoryBackend, RedisBackend, lock_lost
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired, Renewal, RenewAnswer, Renewed
from unique_task.leases.held_lease import HeldLease
from unique_task.leases.keeper import Keeper
from unique_task.leases.keeper import keeper as keeper_of_the_process

pytestmark = pytest.mark.any_celery

#: Seconds of a short lease. A machine that stands still may let it end.
LEASE = 0.6

#: Seconds of a lease that is renewed while a test runs, and does not end before.
STEADY = 4.5

#: Seconds of a lease that is not renewed while a test runs.
LONG = 60.0

Hold = Callable[..., HeldLease]


class Watched(RedisBackend):
    """Redis itself, and a list of which keys were renewed together."""

    def __init__(self, url: str, timeout: float = 2.0) -> None:
        super().__init__(url, timeout=timeout)
        self.rounds: list[list[str]] = []
        self.ended = 0

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        self.rounds.append([renewal.key for renewal in renewals])
        try:
            return super()._renew(renewals)
        finally:
            self.ended += 1

    def wait_for_rounds(self, count: int) -> None:
        """Return when so many more renewals have ended."""
        enough = self.ended + count
        wait_until(lambda: self.ended >= enough, message="nothing was renewed")


class Faulty(MemoryBackend):
    """Somebody's backend, with an error that nobody expects."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        self.asked.append(time.monotonic())
        raise KeyError("a bug")


class Halved(Watched):
    """Redis, of which the part with the lock "down" does not answer."""

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        return [
            Renewed.UNKNOWN if renewal.key == "down" else outcome
            for renewal, outcome in zip(renewals, super()._renew(renewals))
        ]


@pytest.fixture
def backend(redis_url: str) -> Watched:
    return Watched(redis_url)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def hold(keeper: Keeper, backend: Watched, task: Task) -> Iterator[Hold]:
    """Call it for a lease that is renewed until the test ends."""
    kept = []

    def start(
        key: str = "key",
        expire: float = LEASE,
        *,
        backend: Backend = backend,
        keeper: Keeper = keeper,
    ) -> HeldLease:
        lease = lease_on(key, expire, backend, task)
        keeper.add(lease)
        kept.append((keeper, lease))
        return lease

    yield start
    for its_keeper, lease in kept:
        its_keeper.remove(lease)


def lease_on(key: str, expire: float, backend: Backend, task: Task) -> HeldLease:
    record, asked_at = record_of("holder"), time.monotonic()
    answer = backend.acquire(key, record, expire)
    assert isinstance(answer, Acquired)
    lock = key, key, record, answer.fence, expire
    return HeldLease(task, None, record.owner, backend, *lock, asked_at)


def record_of(owner: str) -> Record:
    return Record(Token.of_attempt(owner))


@pytest.fixture
def losses(task: Task) -> Iterator[list[HeldLease]]:
    """The leases that the signal `lock_lost` told of."""
    told: list[HeldLease] = []

    def note(lock: HeldLease, **_: object) -> None:
        told.append(lock)

    lock_lost.connect(note, sender=task)
    yield told
    lock_lost.disconnect(note, sender=task)


def renew(lease: HeldLease, keeper: Keeper, backend: Watched, times: int = 1) -> None:
    """Have a lease renewed before its time."""
    for _ in range(times):
        enough = backend.ended + 1
        keeper.remove(lease)
        lease.renew_at = 0
        keeper.add(lease)
        wait_until(lambda: backend.ended >= enough)


# What is renewed, and what it costs


def test_a_lease_is_renewed_for_as_long_as_it_is_kept(hold, backend, losses, caplog):
    lease = hold(expire=STEADY)

    def is_renewed_again() -> bool:
        held = backend.get("key")
        assert held is not None and held.record.token == lease.record.token
        return bool(backend.ended >= 3)

    with caplog.at_level(logging.DEBUG, logger="unique_task"):
        wait_until(is_renewed_again)

    assert lease.remaining()
    assert not lease.lost
    assert not losses
    assert not caplog.text


def test_a_lease_that_was_removed_is_renewed_no_more(hold, keeper, backend):
    lease = hold("removed")
    hold("kept")
    backend.wait_for_rounds(1)

    keeper.remove(lease)

    rounds = len(backend.rounds)
    backend.wait_for_rounds(2)
    assert "removed" not in sum(backend.rounds[rounds:], [])


def test_a_run_that_is_over_before_a_third_of_its_lease_costs_nothing(hold, backend):
    hold("long", LONG)
    hold("short")

    backend.wait_for_rounds(3)

    assert "long" not in sum(backend.rounds, [])


def test_all_leases_that_are_due_or_nearly_due_go_in_one_round_trip(hold, redis_url):
    def due_within_half_a_second():
        store = Watched(redis_url)
        keys = [f"{number} {store}" for number in range(50)]
        for key in keys:
            hold(key, 3, backend=store)
        return store, keys

    store, keys = in_time(due_within_half_a_second, 0.5)
    wait_until(lambda: store.rounds)

    assert sorted(store.rounds[0]) == sorted(keys)


def test_each_store_renews_its_own(hold, backend, redis_url):
    other = Watched(redis_url.removesuffix("/0") + "/1")
    hold("here")
    hold("there", backend=other)

    backend.wait_for_rounds(2)
    other.wait_for_rounds(2)

    assert {*sum(backend.rounds, [])} == {"here"}
    assert {*sum(other.rounds, [])} == {"there"}


def test_a_short_lease_is_in_time_beside_a_long_one(hold, backend):
    hold("long", LONG)
    wait_until(lambda: backend.get("long"))

    lease = hold("short", STEADY)

    backend.wait_for_rounds(1)
    assert lease.remaining()
    assert not lease.lost


# Locks that are lost


@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_a_lock_that_vanished_is_taken_again_and_counts_as_lost(
    hold, keeper, own_redis, losses, caplog, how
):
    backend = Watched(own_redis.url)
    lease = hold(expire=LONG, backend=backend)

    empty(own_redis, how)

    renew(lease, keeper, backend)
    wait_until(lambda: lease.lost)
    # Told once, however often it is renewed after that.
    renew(lease, keeper, backend, times=3)
    held = backend.get("key")
    assert held
    assert (held.record.token, held.record.fence) == (lease.record.token, lease.fence)
    assert lease.remaining()
    wait_until(lambda: losses == [lease])
    assert told_of(caplog) == ["keep[holder] lost its lock: it had vanished"]


def empty(server: RedisServer, how: str) -> None:
    if how == "flushed":
        server.client.flushall()
    else:
        server.restart()


def told_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of lost locks, up to the first comma or "from"."""
    texts = [r.getMessage() for r in caplog.records if "lost its lock" in r.msg]
    return [text.partition(" from")[0].partition(",")[0] for text in texts]


def test_a_lock_that_another_task_took_is_neither_renewed_nor_freed(
    hold, keeper, backend, redis_server, losses, caplog
):
    lease, other = hold("key", LONG), hold("of another task", LONG)
    thief = record_of("thief")
    redis_server.client.set("unique:{key}", thief.text(17), px=100_000)

    renew(lease, keeper, backend)
    wait_until(lambda: lease.lost)
    rounds = len(backend.rounds)
    renew(other, keeper, backend, times=3)
    lease.end()

    assert lease.remaining() == 0
    assert {*sum(backend.rounds[rounds:], [])} == {"of another task"}
    held = backend.get("key")
    assert held.record.owner == "thief"
    assert held.remaining > LONG
    wait_until(lambda: losses == [lease])
    assert told_of(caplog) == ["keep[holder] lost its lock: another task holds it"]


@pytest.mark.parametrize("outage", ["cut", "hang"])
def test_a_lease_that_ends_while_the_store_is_silent_is_lost_and_renewed_again(
    hold, redis_proxy, losses, outage
):
    backend = Watched(redis_proxy.url, timeout=0.4)
    lease = hold(backend=backend)
    getattr(redis_proxy, outage)()

    wait_until(lambda: lease.lost)
    assert lease.remaining() == 0

    redis_proxy.restore()
    wait_until(lease.remaining)
    backend.wait_for_rounds(3)
    wait_until(lambda: lease.remaining() and backend.get("key"))
    assert lease.lost
    wait_until(lambda: losses == [lease])


def test_an_outage_shorter_than_the_lease_loses_nothing(
    hold, keeper, redis_proxy, caplog
):
    # The next renewal is due in twenty seconds; what failed is tried again before that.
    backend = Watched(redis_proxy.url)
    lease = hold(backend=backend, expire=LONG)
    end = time.monotonic() + lease.remaining()
    redis_proxy.cut()
    renew(lease, keeper, backend)

    redis_proxy.restore()

    wait_until(lambda: time.monotonic() + lease.remaining() > end + 0.1, timeout=10)
    assert not lease.lost
    assert "1 leases could not be renewed" in caplog.text


# What goes wrong beside them


def test_a_store_out_of_order_does_not_stop_the_renewals_of_another(
    hold, redis_proxy, backend
):
    out_of_order = Watched(redis_proxy.url)
    lost = hold("key", backend=out_of_order)
    lease = hold("of another store", STEADY)
    redis_proxy.cut()

    wait_until(lambda: lost.lost)
    backend.wait_for_rounds(1)
    assert lease.remaining()
    assert not lease.lost


def test_an_error_in_a_backend_does_not_stop_the_renewals_of_another(
    hold, backend, caplog
):
    for _ in range(5):
        hold(backend=Faulty())
    lease = hold(expire=STEADY)

    backend.wait_for_rounds(1)
    assert lease.remaining()
    assert not lease.lost
    assert "renewing leases failed" in caplog.text


def test_a_store_that_hangs_holds_up_no_lease_of_another(hold, redis_proxy, backend):
    hanging = Watched(redis_proxy.url, timeout=20)
    waits = hold("key", backend=hanging)
    redis_proxy.hang()
    wait_until(lambda: hanging.rounds)
    lease = hold("of another store", STEADY)

    backend.wait_for_rounds(1)

    assert not lease.lost
    wait_until(lambda: waits.lost)


def test_a_store_that_fails_is_not_asked_all_the_time(hold):
    faulty = Faulty()
    hold(backend=faulty, expire=4)

    wait_until(lambda: len(faulty.asked) > 1)

    assert faulty.asked[1] - faulty.asked[0] > 0.4


def test_the_thread_of_a_store_ends_with_its_last_lease(hold, keeper, backend):
    def own() -> bool:
        return any(thread.name == "unique_task" for thread in enumerate_threads())

    before = own()
    lease = hold()
    backend.wait_for_rounds(1)
    assert own()
    keeper.remove(lease)

    wait_until(lambda: own() == before)
    hold("again")
    backend.wait_for_rounds(1)


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_a_receiver_that_fails_does_not_stop_the_renewals(
    hold, redis_server, backend, task, error
):
    leases = [hold("one"), hold("two")]

    def fail(**_: object) -> None:
        raise error("of a receiver")

    lock_lost.connect(fail, sender=task)
    redis_server.client.flushall()
    wait_until(lambda: any(lease.lost for lease in leases))

    backend.wait_for_rounds(4)
    wait_until(lambda: all(lease.remaining() for lease in leases))
    assert all(lease.lost for lease in leases)
    lock_lost.disconnect(fail, sender=task)


# Beside other threads and processes


def test_who_frees_a_lock_waits_for_a_renewal_that_is_under_way(
    keeper, redis_proxy, redis_url, redis_server, task
):
    # Another database than the first: to connect, the client needs an answer.
    backend = RedisBackend(redis_url.removesuffix("/0") + "/1")
    slow = Watched(redis_proxy.url.removesuffix("/0") + "/1", timeout=20)
    lease = lease_on("key", LONG, backend, task)
    lease.backend, lease.renew_at = slow, 0
    redis_proxy.delay(0.2)
    redis_server.reset_counts()
    keeper.add(lease)
    wait_until(lambda: slow.rounds)

    lease.end()

    assert slow.ended
    assert backend.get("key") is None
    assert redis_server.command_counts()["pexpire"] == 1
    assert not lease.lost


def test_a_fork_renews_its_own_leases_and_none_of_its_parent(hold, backend):
    hold("parent's", keeper=keeper_of_the_process)
    backend.wait_for_rounds(1)

    def in_child() -> set[str]:
        backend.rounds.clear()
        hold("child's", keeper=keeper_of_the_process)
        backend.wait_for_rounds(3)
        return {*sum(backend.rounds, [])}

    assert in_fork(in_child) == {"child's"}


def test_a_parent_goes_on_renewing_after_a_fork(hold, backend):
    lease = hold(expire=STEADY, keeper=keeper_of_the_process)

    in_fork(lambda: None)

    backend.wait_for_rounds(1)
    assert lease.remaining()
    assert not lease.lost


def test_a_lease_that_nothing_refers_to_is_renewed_no_more(
    keeper, backend, task, redis_server
):
    lease = lease_on("forgotten", LEASE, backend, task)
    keeper.add(lease)
    backend.wait_for_rounds(1)

    del lease

    wait_until(lambda: redis_server.client.keys("*forgotten*") == [])


def test_a_lease_may_be_longer_than_a_thread_can_wait(keeper, backend, task):
    keeper.add(lease_on("long", 1e10, backend, task))
    short = lease_on("short", LEASE, backend, task)

    keeper.add(short)

    backend.wait_for_rounds(2)


def test_a_part_of_the_store_that_is_down_loses_its_own_leases_only(
    hold, redis_url, caplog
):
    backend = Halved(redis_url)
    down, up = (hold(key, 3, backend=backend) for key in ("down", "up"))

    wait_until(lambda: down.lost)

    assert up.remaining() and not up.lost
    assert "1 of 2 leases could not be renewed" in caplog.text
