"""What every store of locks does for those who hold on to one."""

from dataclasses import replace

from tests.backends.stores import FIRST, SECOND, record_of
from unique_task.backends.record import Record
from unique_task.backends.steps import Held, Renewal, Renewed

THIRD = record_of("third")


def renewal_of(key: str, record: Record, fence: int | None = 1) -> Renewal:
    return Renewal(key, record, fence, expire=100)


def test_a_held_lock_is_renewed(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence

    assert backend.renew([renewal_of("key", FIRST, fence)]) == [Renewed.HELD]
    held = backend.get("key")
    assert 10 < held.remaining <= 100
    assert held.record == replace(FIRST, fence=fence)


def test_a_lock_of_another_is_not_renewed_and_not_changed(backend):
    backend.acquire("key", SECOND, expire=10)

    assert backend.renew([renewal_of("key", FIRST)]) == [Renewed.TAKEN]
    held = backend.get("key")
    assert held.record.token == SECOND.token
    assert held.remaining <= 10


def test_a_lock_that_vanished_is_taken_again_under_its_old_fence(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence
    backend.release("key", FIRST.token)

    assert backend.renew([renewal_of("key", FIRST, fence)]) == [Renewed.RETAKEN]
    held = backend.get("key")
    assert held.record == replace(FIRST, fence=fence)
    assert 10 < held.remaining <= 100


def test_a_lock_that_was_taken_again_is_held_by_its_token(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence
    backend.release("key", FIRST.token)
    backend.renew([renewal_of("key", FIRST, fence)])

    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)
    assert backend.release("key", FIRST.token)
    assert backend.acquire("key", SECOND, expire=10).fence > fence


def test_a_lock_tells_that_its_holder_ends_with_its_process(backend):
    record = replace(FIRST, final=True)
    fence = backend.acquire("key", record, expire=10).fence

    assert backend.acquire("key", SECOND, expire=10).record.final
    backend.renew([renewal_of("key", record, fence)])
    assert backend.get("key").record.final
    backend.release("key", record.token)
    backend.renew([renewal_of("key", record, fence)])
    assert backend.get("key").record.final
    assert backend.release("key", record.token)


def test_many_locks_are_renewed_at_once_and_answered_in_their_order(backend):
    fence = backend.acquire("held", FIRST, expire=10).fence
    backend.acquire("taken", SECOND, expire=10)

    outcomes = backend.renew(
        [
            renewal_of("taken", FIRST),
            renewal_of("held", FIRST, fence),
            renewal_of("vanished", FIRST),
        ]
    )

    assert outcomes == [Renewed.TAKEN, Renewed.HELD, Renewed.RETAKEN]


def test_nothing_to_renew_is_no_error(backend):
    assert backend.renew([]) == []


def test_a_batch_may_hold_several_tokens_of_one_key(backend):
    """One of a process that lost its lock, and one that has it now."""
    fence = backend.acquire("key", FIRST, expire=10).fence
    other = backend.acquire("another", THIRD, expire=10).fence

    outcomes = backend.renew(
        [
            Renewal("key", SECOND, fence, 20),
            Renewal("key", FIRST, fence, 20),
            Renewal("another", THIRD, other, 30),
            Renewal("key", THIRD, fence, 30),
        ]
    )

    assert outcomes == [Renewed.TAKEN, Renewed.HELD, Renewed.HELD, Renewed.TAKEN]
    assert backend.get("key").record.token == FIRST.token
