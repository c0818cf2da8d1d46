"""What every store that can list its locks tells of them."""

import tracemalloc
from collections import Counter
from dataclasses import replace
from threading import Event, Thread

import pytest

from tests.backends.stores import (
    FIRST,
    KINDS,
    LEASE,
    ONE,
    REMEMBERED,
    SECOND,
    STORES,
    TWO,
    open_store,
    record_of,
    renewals,
    reserve,
    take_some,
)
from tests.waiting import wait_until
from unique_task import ConfigurationError
from unique_task.backends import record as record_module
from unique_task.backends.base import Backend
from unique_task.backends.listing import (
    LONGEST_PAGE,
    MOST_HOLDERS,
    Lists,
    lister_of,
)
from unique_task.backends.redis import script_calls
from unique_task.backends.sql import at_once
from unique_task.backends.steps import Heir, Leaving
from unique_task.keys.digest import digest_of
from unique_task.options.lock_types import LOCK_TYPES

#: Names that a pattern or a range of another prefix would take in, too.
PREFIXES = ["shop:", "sh?p*[a]\\:", "sh%p_", "{shop}:", "Läden ☃", "%", "}x"]

#: A key as the library makes them.
DIGEST = digest_of("shop.charge", 17)

#: Where these modules take the version of the records that they write.
WRITERS = (record_module, script_calls, at_once)


@pytest.fixture
def lists(backend: Backend) -> Lists:
    lister = lister_of(backend)
    if lister is None:
        pytest.skip("it cannot list its locks")
    return lister


@pytest.fixture
def several_listed(several: Backend, lists: Lists) -> Lists:
    return lists


def names(lists: Backend, page: int = 1000) -> list[str | None]:
    """The names of all locks, in order."""
    assert isinstance(lists, Lists)
    return sorted((lock.name for lock in lists.locks(page=page)), key=str)


def take_many(lists: Lists, count: int, name: str = "key") -> list[str]:
    keys = [f"{name}-{number:05d}" for number in range(count)]
    for key in keys:
        lists.acquire(key, FIRST, LEASE)
    return keys


# What is listed


def test_an_empty_store_has_no_locks(lists):
    assert list(lists.locks()) == []


def test_a_lock_is_listed_with_its_holder(lists):
    taken = lists.acquire("key", FIRST, LEASE)

    [lock] = lists.locks()

    [held] = lock.holders
    assert held.record == replace(FIRST, fence=taken.fence)
    assert 0 < held.remaining <= LEASE
    assert 0 < lock.remaining <= LEASE
    assert (lock.name, lock.key, lock.kind) == ("key", "key", "key")
    assert not lock.unreadable


def test_a_lock_that_waits_for_its_message_is_listed(lists):
    reserve(lists, ONE, LEASE)

    [lock] = lists.locks()

    assert lock.holders[0].record.state == "pending"
    assert lock.holders[0].record.owner == "one"


@pytest.mark.parametrize(
    ("lock_type", "kind"),
    [
        (LOCK_TYPES["until_and_while_executing"], "pending"),
        (LOCK_TYPES["until_executed"].for_successor(), "successor"),
        (LOCK_TYPES["until_executed"], "key"),
    ],
)
def test_a_name_tells_what_the_lock_is_for(lists, lock_type, kind):
    name = lock_type.reservation_name("5f2b")
    reserve(lists, ONE, LEASE, key=name)

    [lock] = lists.locks()

    assert (lock.name, lock.key, lock.kind) == (name, "5f2b", kind)


def test_a_lock_of_several_is_listed_once_with_all_of_them(several_listed):
    taken = take_some(several_listed, 3, 3)
    several_listed.acquire("another", FIRST, LEASE)

    found = {lock.name: lock for lock in several_listed.locks()}

    assert sorted(found) == ["another", "key"]
    assert [held.record for held in found["key"].holders] == taken
    last = found["key"].holders[-1].remaining
    assert LEASE < last <= found["key"].remaining + 1


def test_of_very_many_holders_those_that_end_first_are_listed(several_listed):
    count = MOST_HOLDERS + 5
    taken = take_some(several_listed, count, count)

    [lock] = several_listed.locks()

    assert [held.record for held in lock.holders] == taken[:MOST_HOLDERS]


def test_a_lock_that_a_newer_version_wrote_is_listed_as_such(lists, monkeypatch):
    with monkeypatch.context() as newer:
        for module in WRITERS:
            newer.setattr(module, "VERSION", "9")
        lists.acquire("newer", FIRST, LEASE)
    lists.acquire("ours", FIRST, LEASE)

    found = {lock.name: lock for lock in lists.locks()}

    assert sorted(found) == ["newer", "ours"]
    assert found["newer"].unreadable and not found["newer"].holders
    assert 0 < found["newer"].remaining <= LEASE
    assert not found["ours"].unreadable


def test_an_awkward_key_is_listed_as_far_as_the_store_knows_it(lists, awkward):
    lists.acquire(awkward, FIRST, LEASE)

    [lock] = lists.locks()

    assert lock.name in (awkward, None)
    assert (lock.key, lock.kind) in ((awkward, "key"), (None, None))
    assert lock.holders[0].record.owner == "first"


# What is not


def test_a_lock_that_was_released_is_not_listed(lists):
    lists.acquire("key", FIRST, LEASE)
    lists.release("key", FIRST.token)

    assert names(lists) == []


def test_a_lock_whose_time_is_over_is_not_listed(lists, short):
    lists.acquire("stays", FIRST, LEASE)
    lists.acquire("ends", FIRST, short)

    wait_until(lambda: names(lists) == ["stays"])


def test_a_holder_whose_time_is_over_is_not_listed(several_listed, short):
    several_listed.acquire("key", FIRST, short, limit=2)
    several_listed.acquire("key", SECOND, LEASE, limit=2)
    several_listed.acquire("ends", FIRST, short, limit=2)

    def holders() -> list[tuple[str | None, str]]:
        found = several_listed.locks()
        return [(lock.name, one.record.owner) for lock in found for one in lock.holders]

    wait_until(lambda: holders() == [("key", "second")])


def test_what_an_attempt_leaves_behind_is_no_lock(lists):
    taken = lists.acquire("one", FIRST, LEASE, remember_for=REMEMBERED)
    leaving = Leaving(replace(FIRST, fence=taken.fence), LEASE)
    lists.release("one", FIRST.token, value=b"value", fresh_for=LEASE, leaving=leaving)
    lists.acquire("two", FIRST, LEASE, remember_for=REMEMBERED)
    lists.release("two", FIRST.token, finished_for=REMEMBERED)
    # A generation, and an heir that a failed publish has left.
    reserve(lists, ONE, LEASE, key="three")
    replaced = reserve(lists, TWO, LEASE, key="three").replaced
    lists.release("three", TWO.token)
    lists.restore("three", TWO.token, replaced)

    assert names(lists) == []


def test_an_heir_that_got_the_lock_is_its_holder(lists):
    lists.acquire("key", FIRST, LEASE)
    lists.release("key", FIRST.token, heir=Heir(SECOND, LEASE))

    [lock] = lists.locks()

    assert [held.record.owner for held in lock.holders] == ["second"]


# Whose


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_project_sees_the_locks_under_its_prefix_only(lists, prefix):
    own = lists.with_prefix(prefix)
    for foreign in ("", "shop", "shapa:", "a", f"{prefix}2", f"{prefix}more:"):
        store = lists.with_prefix(foreign)
        # Not where digests hide the prefix.
        if "ä" not in foreign:
            store.acquire(DIGEST, FIRST, LEASE)
            store.acquire(f"{DIGEST}.pending", FIRST, LEASE)
    keys = [f"{DIGEST}.successor", "one", "}two"]
    for key in keys:
        own.acquire(key, FIRST, LEASE)

    # A table keeps a digest in place of a name with odd letters.
    assert names(own) in (keys, [None] * 3)
    assert names(lists.with_prefix("shapa:")) == [DIGEST, f"{DIGEST}.pending"]


def test_prefixes_add_up(lists):
    inner = lists.with_prefix("one:").with_prefix("two:")
    inner.acquire(DIGEST, FIRST, LEASE)
    lists.with_prefix("two:").acquire(DIGEST, SECOND, LEASE)

    assert names(inner) == [DIGEST]
    for other in (lists, lists.with_prefix("one:")):
        assert names(other) == []


def test_a_listed_name_is_one_that_the_backend_takes(lists):
    own = lists.with_prefix("shop:")
    own.acquire("key", FIRST, LEASE)

    [name] = names(own)

    assert own.get(name).record.owner == "first"
    assert own.release(name, FIRST.token)
    assert names(own) == []


# Page by page


@pytest.mark.parametrize("page", [1, 7, 50, 1000])
def test_each_lock_is_listed_once_whatever_the_pages(lists, page):
    keys = take_many(lists, 50)

    assert names(lists, page) == keys


def test_locks_of_several_are_among_the_others_in_all_pages(several_listed):
    keys = [f"key-{number:02d}" for number in range(30)]
    for number, key in enumerate(keys):
        for owner in range(number % 3 + 1):
            several_listed.acquire(key, record_of(f"{owner}"), LEASE, limit=3)

    found = {lock.name: len(lock.holders) for lock in several_listed.locks(page=4)}

    assert found == {key: number % 3 + 1 for number, key in enumerate(keys)}


@pytest.mark.parametrize("page", [0, -1, True, 1.5, "10", None, LONGEST_PAGE + 1])
def test_what_is_no_number_of_locks_is_an_error(lists, page):
    with pytest.raises(ConfigurationError, match=f"page=.*from 1 to {LONGEST_PAGE}"):
        lists.locks(page=page)


def test_locks_that_come_and_go_disturb_no_list(lists):
    standing = take_many(lists, 300)
    over = Event()

    def come_and_go() -> None:
        while not over.is_set():
            passing = take_many(lists, 60, "passing")
            for key in passing:
                lists.release(key, FIRST.token)
            lists.renew(renewals(standing[:50]))

    passer = Thread(target=come_and_go)
    passer.start()
    try:
        found = [Counter(names(lists, 20)) for _ in range(5)]
    finally:
        over.set()
        passer.join()

    for counted in found:
        assert set(standing) <= set(counted)
        assert {str(name).partition("-")[0] for name in counted} <= {"key", "passing"}


def test_a_lock_that_changes_hands_meanwhile_is_listed(lists):
    keys = take_many(lists, 30)
    stream = lists.locks(page=5)
    found = {next(stream).name}
    for key in keys:
        lists.acquire(key, SECOND, LEASE / 2, take_over_from=[FIRST.token])

    assert found | {lock.name for lock in stream} == set(keys)


def test_a_list_that_is_given_up_leaves_the_store_as_it_was(lists):
    take_many(lists, 30)
    streams = [lists.locks(page=5) for _ in range(60)]  # more than connections
    for stream in streams:
        next(stream)

    assert lists.acquire("another", FIRST, LEASE).fence
    assert lists.release("key-00000", FIRST.token)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_times_the_locks_take_no_more_memory(kind, request):
    lists = lister_of(open_store(request.getfixturevalue(STORES[kind])))
    if lists is None:
        pytest.skip("it cannot list its locks")

    def peak() -> int:
        tracemalloc.start()
        for _ in lists.locks(page=100):
            pass
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    take_many(lists, 500)
    peak()  # what is made once
    few = peak()
    take_many(lists, 5000)

    assert len(set(names(lists, 100))) == 5000
    assert peak() < 2 * few


# Whether it can


def test_a_store_can_list_its_locks_if_it_promises_to(backend):
    for one in (backend, backend.with_prefix("shop:")):
        assert (lister_of(one) is not None) is one.promises.lists
        assert isinstance(backend, Lists) or not one.promises.lists
