"""What every store of locks does: one suite over all of them.

A backend of this library joins by one line in `STORES`. The other modules named after
the contract go on with it, and `test_model` with random steps. To try a backend of your
own, name it in ``UNIQUE_TEST_STORE``: see docs/backends.rst.
"""

import time
from dataclasses import replace

from tests.backends.stores import FIRST, SECOND, record_of
from tests.waiting import wait_until
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed

# Taking a lock


def test_a_free_lock_is_acquired(backend):
    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_held_lock_is_refused_and_the_holder_told(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    refused = backend.acquire("key", SECOND, expire=100)

    assert isinstance(refused, Held)
    assert refused.record == replace(FIRST, fence=taken.fence)
    assert 0 < refused.remaining <= 10


def test_a_refused_acquisition_changes_nothing(backend):
    backend.acquire("key", FIRST, expire=10)

    backend.acquire("key", SECOND, expire=100)

    held = backend.get("key")
    assert held.record.owner == "first"
    assert held.remaining <= 10


def test_another_attempt_of_the_same_task_is_refused(backend):
    backend.acquire("key", record_of("first"), expire=10)

    assert isinstance(backend.acquire("key", record_of("first"), expire=10), Held)


def test_another_key_is_another_lock(backend):
    backend.acquire("key", FIRST, expire=10)

    assert isinstance(backend.acquire("another", SECOND, expire=10), Acquired)


def test_a_lock_ends_when_its_time_is_over_and_not_before(backend, short):
    asked = time.monotonic()
    backend.acquire("key", FIRST, expire=short)

    wait_until(lambda: isinstance(backend.acquire("key", SECOND, expire=10), Acquired))

    # A store may count in milliseconds.
    assert time.monotonic() - asked > short - 0.002
    assert backend.get("key").record.owner == "second"


def test_an_acquisition_whose_answer_was_lost_may_be_repeated(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    assert backend.acquire("key", FIRST, expire=10) == taken
    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)


def test_the_fence_grows_with_every_acquisition(backend):
    fences = []
    for turn in range(100):
        record = record_of(f"task-{turn}")
        fences.append(backend.acquire("key", record, expire=10).fence)
        backend.release("key", record.token)

    assert fences == sorted(set(fences))


def test_the_fence_grows_when_a_lock_has_expired(backend, short):
    fence = backend.acquire("key", FIRST, expire=short).fence
    wait_until(lambda: backend.get("key") is None)

    assert backend.acquire("key", SECOND, expire=10).fence > fence


# Freeing it


def test_a_released_lock_is_free(backend):
    backend.acquire("key", FIRST, expire=10)

    assert backend.release("key", FIRST.token)
    assert isinstance(backend.acquire("key", SECOND, expire=10), Acquired)


def test_release_by_another_token_is_refused_and_changes_nothing(backend):
    backend.acquire("key", FIRST, expire=10)

    assert not backend.release("key", SECOND.token)
    assert backend.get("key").record.token == FIRST.token


def test_release_by_another_attempt_of_the_same_task_is_refused(backend):
    backend.acquire("key", FIRST, expire=10)

    assert not backend.release("key", record_of("first").token)


def test_a_free_lock_cannot_be_released(backend):
    assert not backend.release("key", FIRST.token)


def test_a_lock_is_released_once(backend):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token)

    assert not backend.release("key", FIRST.token)


def test_an_expired_lock_cannot_be_released_from_its_next_holder(backend, short):
    backend.acquire("key", FIRST, expire=short)
    wait_until(lambda: isinstance(backend.acquire("key", SECOND, expire=10), Acquired))

    assert not backend.release("key", FIRST.token)
    assert backend.get("key").record.owner == "second"


# Looking at it


def test_a_free_lock_has_no_holder(backend):
    assert backend.get("key") is None


def test_get_tells_who_holds_a_lock_and_for_how_long(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    held = backend.get("key")

    assert held.record == replace(FIRST, fence=taken.fence)
    assert 0 < held.remaining <= 10


def test_what_remains_becomes_less(backend):
    backend.acquire("key", FIRST, expire=10)
    before = backend.get("key").remaining

    wait_until(lambda: backend.get("key").remaining < before)


def test_awkward_texts_come_back_as_they_were(backend, awkward):
    record = Record(Token.of_attempt(awkward, 3), awkward, awkward)
    fence = backend.acquire("key", record, expire=10).fence

    found = backend.get("key").record

    assert found == replace(record, fence=fence)
    assert found.owner == awkward


def test_an_awkward_owner_can_renew_and_release(backend, awkward):
    record = record_of(awkward)
    fence = backend.acquire("key", record, expire=10).fence

    assert backend.renew([Renewal("key", record, fence, expire=100)]) == [Renewed.HELD]
    assert backend.release("key", record.token)
