"""What remains of the contract in caches that have only add, get and delete."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import call_command

from tests.backends.stores import FIRST, REMEMBERED, SECOND, open_store
from tests.django_settings import DATABASE, FILES, LOCMEM, django_caches
from tests.forking import in_fork
from tests.waiting import wait_until
from unique_task import LockStoreError
from unique_task.backends.base import Backend
from unique_task.backends.django.backend import DjangoCacheBackend
from unique_task.backends.steps import Acquired, Finished, Held, Renewal, Renewed

CONTRACT = [
    *("", "_admitted", "_handed_on", "_redelivery", "_replaced", "_reserved"),
    *("_restored", "_takeover", "_values", "_waiting"),
]

# All that one client sees of a store, over the caches that `url` gives it here.
for _part in CONTRACT:
    _tests = vars(import_module(f"tests.backends.test_contract{_part}"))
    globals().update({name: it for name, it in _tests.items() if name[0] != "_"})

# Several may get it: that is what is unsafe.
del globals()["test_of_many_who_take_over_at_once_one_gets_the_lock"]

UNSAFE = "django-cache://locks?unsafe=true"


@pytest.fixture(params=[LOCMEM, FILES])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty cache without compare-and-delete."""
    with django_caches(locks={"BACKEND": request.param, "LOCATION": str(tmp_path)}):
        yield UNSAFE


@pytest.fixture
def local() -> Iterator[Any]:
    """A cache in memory with its locks."""
    with django_caches(locks={"BACKEND": LOCMEM, "LOCATION": "local"}):
        yield caches["locks"]
        caches["locks"].clear()


@pytest.fixture
def in_database() -> Iterator[None]:
    with django_caches(locks={"BACKEND": DATABASE, "LOCATION": "shop_cache"}):
        yield


def test_a_lock_is_kept_in_a_database(in_database):
    call_command("createcachetable")
    backend: Any = open_store(UNSAFE)

    fence = backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED).fence
    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)
    assert backend.renew([Renewal("key", FIRST, fence, 10)]) == [Renewed.HELD]
    assert backend.release("key", FIRST.token, finished_for=REMEMBERED)
    assert backend.acquire("key", FIRST, 10, remember_for=REMEMBERED) == Finished()
    assert isinstance(backend.acquire("key", SECOND, expire=10), Acquired)
    assert backend.release("key", SECOND.token)


def test_a_lock_that_has_ended_is_taken_by_the_next(url):
    backend: Any = open_store(url)
    backend.acquire("key", FIRST, expire=0.2)

    wait_until(lambda: isinstance(backend.acquire("key", SECOND, expire=10), Acquired))
    assert backend.get("key").record.owner == "second"


def test_whatever_the_cache_raises_is_an_error_of_the_store():
    with django_caches(locks={"BACKEND": DATABASE, "LOCATION": "missing"}):
        backend: Any = open_store(UNSAFE)

        message = (
            r"^django-cache://locks \(DatabaseCache\): OperationalError: .*missing"
        )
        with pytest.raises(LockStoreError, match=message):
            backend.acquire("key", FIRST, expire=10)


def test_of_two_who_find_it_free_the_cache_decides(local, monkeypatch):
    backend: Any = open_store(UNSAFE)
    add = LocMemCache.add

    def late(cache: Any, *what: Any) -> bool:
        monkeypatch.setattr(LocMemCache, "add", add)
        assert isinstance(backend.acquire("key", SECOND, expire=10), Acquired)
        return bool(add(cache, *what))

    monkeypatch.setattr(LocMemCache, "add", late)
    answer = backend.acquire("key", FIRST, expire=10)

    assert answer.record.owner == "second"


def test_a_cache_that_keeps_no_lock_is_not_asked_for_ever(local, monkeypatch):
    monkeypatch.setattr(LocMemCache, "add", lambda *_: False)
    backend = DjangoCacheBackend("locks", unsafe=True, timeout=0.1)

    with pytest.raises(LockStoreError, match="others change key all the time"):
        backend.acquire("key", FIRST, expire=10)


def test_a_time_limit_that_ends_a_task_is_no_error_of_the_cache(local, monkeypatch):
    def end(*_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(LocMemCache, "add", end)

    with pytest.raises(SoftTimeLimitExceeded):
        open_store(UNSAFE).acquire("key", FIRST, expire=10)


def test_the_cache_puts_its_prefix_before_the_keys(tmp_path):
    cache = {"BACKEND": LOCMEM, "LOCATION": str(tmp_path)}
    shops = {
        "one": {**cache, "KEY_PREFIX": "one"},
        "two": {**cache, "KEY_PREFIX": "two"},
    }
    with django_caches(**shops):
        backends = [open_store(f"django-cache://{name}?unsafe=true") for name in shops]
        for backend in backends:
            assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def promised(backend: Backend) -> tuple[bool, bool, str]:
    return backend.shared, backend.promises.fenced, backend.promises.warning


def test_it_says_what_it_does_not_promise(local, tmp_path):
    shared, fenced, warning = promised(open_store(UNSAFE))
    assert (shared, fenced) == (False, False)
    assert warning.startswith("locks in a cache in memory hold within one process")
    assert "without compare-and-delete a task that ends late may release" in warning

    with django_caches(locks={"BACKEND": FILES, "LOCATION": str(tmp_path)}):
        shared, fenced, warning = promised(open_store(UNSAFE))
    assert (shared, fenced) == (True, False)
    assert warning.startswith("two tasks may run at once: without compare-and-delete")


def test_a_message_tells_that_another_process_has_other_locks(local):
    def fingerprint() -> str:
        return open_store(UNSAFE).fingerprint

    assert fingerprint() == fingerprint()
    assert in_fork(fingerprint) != fingerprint()
