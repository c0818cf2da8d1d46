"""What every store does with the lock of an operator, who holds a key for a time."""

from dataclasses import replace

import pytest

from tests.backends.stores import (
    AWKWARD,
    FIRST,
    LEASE,
    ONE,
    TWO,
    record_of,
    records,
    reserve,
    start,
)
from unique_task.backends.record import HELD
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed, Reserved

HOLD = replace(
    record_of("hold-1"), worker="", state=HELD, by="ann", reason="migration 17"
)


@pytest.mark.parametrize("reason", AWKWARD.values(), ids=AWKWARD)
def test_who_holds_a_lock_and_why_comes_back_as_it_was(backend, reason):
    hold = replace(HOLD, reason=reason, by=reason)
    taken = backend.acquire("key", hold, LEASE)

    assert backend.get("key").record == replace(hold, fence=taken.fence)


def test_a_run_meets_a_hold_as_any_holder(backend):
    backend.acquire("key", HOLD, LEASE)

    refused = backend.acquire("key", FIRST, LEASE, remember_for=LEASE)

    assert isinstance(refused, Held)
    assert (refused.record.by, refused.record.reason) == ("ann", "migration 17")


@pytest.mark.parametrize("reason", ["17", "migration 17", ""], ids=repr)
def test_no_message_takes_the_place_of_a_hold(backend, reason):
    """The number at the end of its record is no fence of a message."""
    hold = replace(HOLD, reason=reason)
    backend.acquire("key", hold, LEASE)

    refused = reserve(backend, TWO)

    assert isinstance(refused, Held)
    assert backend.get("key").record.token == hold.token


def test_a_hold_takes_no_lock_from_a_message(backend):
    assert isinstance(reserve(backend, ONE), Reserved)

    refused = backend.acquire("key", HOLD, LEASE)

    assert isinstance(refused, Held)
    assert refused.record.token == ONE.token
    assert isinstance(start(backend, ONE), Acquired)


def test_a_hold_is_renewed_and_stays_one(backend):
    fence = backend.acquire("key", HOLD, 2).fence

    renewed = backend.renew([Renewal("key", HOLD, fence, LEASE)])

    assert renewed == [Renewed.HELD]
    held = backend.get("key")
    assert (held.record.hold, held.remaining > 2) == (HOLD.hold, True)


def test_the_end_of_a_hold_frees_the_lock(backend):
    backend.acquire("key", HOLD, LEASE)

    assert backend.release("key", HOLD.token)
    assert isinstance(backend.acquire("key", FIRST, LEASE), Acquired)


def test_a_hold_has_each_place_under_a_token_of_its_own(several):
    holds = [replace(record_of("hold-1"), state=HELD, by="ann") for _ in range(3)]
    for hold in holds:
        assert isinstance(several.acquire("key", hold, LEASE, limit=3), Acquired)

    refused = several.acquire("key", FIRST, LEASE, limit=3)

    assert isinstance(refused, Held)
    assert {one.token for one in records(several.holders("key"))} == {
        hold.token for hold in holds
    }
