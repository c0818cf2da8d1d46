"""The cost of reservations in Redis: commands and keys."""

from typing import Any

import pytest
from redis.crc import key_slot

from tests.backends.stores import (
    FIRST,
    ONE,
    REMEMBERED,
    THREE,
    TWO,
    published,
    redelivered,
    reserve,
    start,
)
from unique_task import RedisBackend
from unique_task.backends.steps import Heir

# Commands

STEPS = {
    "reserve": (
        lambda store: store.reserve("key", TWO, 10, replaceable=False),
        {"time": 1, "set": 1},
    ),
    "reserve, replaceable": (
        lambda store: store.reserve("key", TWO, 10),
        {"time": 1, "set": 1, "get": 1},
    ),
    "be refused": (
        lambda store: store.reserve("taken", TWO, 10, replaceable=False),
        {"time": 1, "set": 1, "get": 1, "pttl": 1},
    ),
    "replace": (
        lambda store: store.reserve(
            "taken", TWO, 10, replace_within=10, remember_for=10
        ),
        {"time": 1, "set": 3, "get": 2, "pttl": 2},
    ),
    "start": (
        lambda store: start(store, ONE, key="taken"),
        {"time": 1, "set": 2, "get": 1},
    ),
    "start, if not replaced": (
        lambda store: start(store, ONE, key="taken", generation=1, keep_end=True),
        {"time": 1, "set": 2, "get": 2},
    ),
    "pass through": (
        lambda store: store.acquire("key", FIRST, 0),
        {"time": 1, "get": 1, "del": 1},
    ),
    "leave to an heir": (
        lambda store: store.release("taken", ONE.token, heir=Heir(TWO, 10)),
        {"get": 1, "del": 1, "set": 1},
    ),
}


@pytest.mark.parametrize("step, commands", STEPS.values(), ids=STEPS)
def test_a_step_costs_few_commands(step, commands, warm, redis_server):
    warm.reserve("taken", ONE, expire=10)
    step(warm)
    redis_server.client.flushdb()
    warm.reserve("taken", ONE, expire=10)
    redis_server.reset_counts()

    step(warm)

    assert redis_server.command_counts() == {"evalsha": 1, **commands}


def test_a_lock_is_reserved_replaced_and_restored_in_one_round_trip_each(
    redis_proxy, backend
):
    through_proxy = RedisBackend(redis_proxy.url)
    two = [reserve(through_proxy, message) for message in (ONE, TWO)][1]
    through_proxy.restore("key", TWO.token, two.replaced)
    before = redis_proxy.requests

    three = reserve(through_proxy, THREE)
    assert through_proxy.restore("key", THREE.token, three.replaced)

    assert redis_proxy.requests - before == 2


# Keys


def use_all(backend: RedisBackend) -> None:
    """Take every step that a reservation can take."""
    two = [reserve(backend, message, remember_for=10) for message in (ONE, TWO)][1]
    backend.restore("key", TWO.token, two.replaced)
    reserve(backend, THREE, remember_for=10)
    attempt = redelivered(THREE)
    over = (THREE.token,)
    backend.acquire(
        "key", attempt, 10, remember_for=10, take_over_from=over, keep_end=True
    )
    heir = Heir(published("heir"), 10)
    how: Any = {"value": b"value", "fresh_for": 10, "finished_for": 10, "heir": heir}
    assert backend.release("key", attempt.token, **how)


def test_all_keys_of_a_lock_are_in_one_slot_of_a_cluster(backend, client):
    use_all(backend)

    # The lock, the generation, the value, the mark of an attempt.
    assert len(client.keys()) == 4
    assert len({key_slot(name) for name in client.keys()}) == 1


def test_every_key_has_an_end(backend, client):
    use_all(backend)

    assert all(0 < client.pttl(name) <= 20_000 for name in client.keys())


def test_a_lock_that_is_given_back_has_an_end_and_so_has_the_generation(
    backend, client
):
    two = [reserve(backend, message, remember_for=10) for message in (ONE, TWO)][1]

    assert backend.restore("key", TWO.token, two.replaced)

    assert len(client.keys()) == 2
    assert all(0 < client.pttl(name) <= 20_000 for name in client.keys())


def test_a_lock_that_is_given_back_has_an_end_without_the_generation_too(
    backend, client
):
    two = [reserve(backend, message) for message in (ONE, TWO)][1]
    client.delete("unique:{key}:generation")

    assert backend.restore("key", TWO.token, two.replaced)

    [name] = client.keys()
    assert 0 < client.pttl(name) <= 10_000


def test_a_lock_without_an_end_is_given_back_and_has_one(backend, client):
    backend.reserve("key", ONE, expire=10)
    client.persist("unique:{key}")
    two = reserve(backend, TWO)
    assert two.replaced.remaining == float("inf")

    assert backend.restore("key", TWO.token, two.replaced)

    assert backend.get("key").record.token == ONE.token
    assert client.pttl("unique:{key}") > 100 * 365 * 24 * 3600 * 1000


def test_a_reservation_that_is_acquired_for_no_time_leaves_nothing(backend, client):
    reserve(backend, ONE)
    start(backend, ONE, expire=0)
    backend.reserve("key", TWO, expire=10)
    backend.release("key", TWO.token)

    assert client.keys() == []


def test_a_duplicate_leaves_nothing(backend, client):
    backend.acquire("key", FIRST, expire=10)
    reserve(backend, ONE)
    start(backend, ONE, expire=0, remember_for=REMEMBERED, generation=1)

    assert client.keys() == [b"unique:{key}"]
