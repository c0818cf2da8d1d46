"""What every store does about an attempt that has left its body, and not yet ended."""

from dataclasses import replace

from tests.backends.stores import FIRST, LEASE, REMEMBERED, SECOND, redelivered
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Held,
    Leaving,
    Renewal,
    Renewed,
    StoreAnswer,
)

AGAIN = redelivered(FIRST)


def leave(backend: Backend, record: Record = FIRST) -> Record:
    """Free the lock of an attempt that has yet to store its outcome."""
    taken = backend.acquire("key", record, LEASE, remember_for=REMEMBERED)
    assert isinstance(taken, Acquired)
    record = replace(record, fence=taken.fence)
    assert backend.release("key", record.token, leaving=Leaving(record, LEASE))
    return record


def arrive(backend: Backend, record: Record = AGAIN, *over: str) -> StoreAnswer:
    return backend.acquire(
        "key", record, LEASE, remember_for=REMEMBERED, take_over_from=over
    )


def test_the_lock_of_an_attempt_that_leaves_is_free_for_others(backend):
    leave(backend)

    assert backend.get("key") is None
    assert isinstance(arrive(backend, SECOND), Acquired)


def test_a_second_delivery_meets_an_attempt_that_leaves(backend):
    leaving = leave(backend)

    met = arrive(backend)

    assert isinstance(met, Held) and met.admitted
    assert met.record.token == leaving.token
    assert 0 < met.remaining <= LEASE
    assert backend.get("key") is None


def test_it_meets_it_also_while_another_holds_the_lock(backend):
    leaving = leave(backend)
    arrive(backend, SECOND)

    met = arrive(backend)

    assert isinstance(met, Held) and met.record.token == leaving.token
    assert backend.get("key").record.token == SECOND.token


def test_a_second_delivery_takes_over_from_one_that_died_while_it_left(backend):
    leaving = leave(backend)

    taken = arrive(backend, AGAIN, leaving.token)

    assert isinstance(taken, Acquired) and taken.admitted
    assert backend.get("key").record.token == AGAIN.token


def test_an_attempt_that_has_left_has_finished(backend):
    leave(backend)
    assert not backend.release("key", FIRST.token, finished_for=REMEMBERED)

    assert arrive(backend) == Finished()


def test_one_that_has_left_without_finishing_may_run_again(backend):
    leaving = leave(backend)
    backend.release("key", FIRST.token, leaving=Leaving(leaving, 0))

    taken = arrive(backend)

    assert isinstance(taken, Acquired) and taken.admitted


def test_it_counts_as_alive_for_as_long_as_it_is_renewed(backend):
    leaving = leave(backend)
    arrive(backend, SECOND)

    for expire in (2 * LEASE, 3 * LEASE):
        renewal = Renewal("key", FIRST, leaving.fence, expire, leaving=True)
        assert backend.renew([renewal]) == [Renewed.HELD]

    met = arrive(backend)
    assert isinstance(met, Held) and 2 * LEASE < met.remaining <= 3 * LEASE
    # The lock is none of its business any more.
    assert backend.get("key").record.token == SECOND.token


def test_locks_and_who_leaves_are_renewed_together(backend):
    leaving = leave(backend)
    taken = arrive(backend, SECOND)
    assert isinstance(taken, Acquired)

    renewals = [
        Renewal("key", FIRST, leaving.fence, LEASE, leaving=True),
        Renewal("key", SECOND, taken.fence, LEASE),
    ]

    assert backend.renew(renewals) == [Renewed.HELD, Renewed.HELD]


def test_another_attempt_of_the_same_task_is_not_leaving(backend):
    leave(backend)
    next_try = redelivered(replace(FIRST, token=FIRST.token.replace("/0/", "/1/", 1)))

    assert isinstance(arrive(backend, next_try), Acquired)
