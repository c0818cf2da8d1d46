"""A fresh store for the tests of a project, and calls that are made duplicates."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery

from tests.inprocess import make_app, value_of
from unique_task import ConfigurationError, DuplicateTaskError, MemoryBackend, unique
from unique_task.operating import UnknownCallError
from unique_task.options.lock_types import LOCK_TYPES
from unique_task.testing import fresh_store, guards

pytest_plugins = "tests.inprocess_fixtures"


def guarded(app: Celery, name: str = "work", **options: Any) -> Any:
    @app.task(name=name)
    @unique(**options)
    def work(item, note=""):
        return item

    return work


def test_all_tasks_use_the_store_whatever_settings_and_options_say(app):
    other = make_app(unique_backend="redis://nowhere.invalid/0")
    tasks = guarded(app, backend="redis://nowhere.invalid/0"), guarded(other)

    with fresh_store():
        assert [work(1) for work in tasks] == [1, 1]


def test_everything_is_put_back(app):
    store = app.conf.unique_backend
    work = guarded(app, lock="until_expired")

    with pytest.raises(ZeroDivisionError), fresh_store():
        work(1)
        1 / 0

    assert app.conf.unique_backend is store
    assert work(1) == 1  # the window of the fresh store is gone with it


def test_each_store_is_fresh(app):
    work = guarded(app, lock="until_expired", on_duplicate="raise")

    for _ in range(2):
        with fresh_store():
            assert work(1) == 1


def test_stores_may_stand_in_each_other(app):
    work = guarded(app, on_duplicate="raise")

    with fresh_store() as outer, outer.hold(work, 1):
        with fresh_store() as inner:
            assert work(1) == 1
            with inner.hold(work, 2), pytest.raises(DuplicateTaskError):
                work(2)
        with pytest.raises(DuplicateTaskError):
            work(1)

    assert [len(store.duplicates(work)) for store in (outer, inner)] == [1, 1]


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_held_call_is_a_duplicate_when_it_runs(app, lock):
    work = guarded(app, lock=lock, on_duplicate="skip", limit=3)

    with fresh_store() as store:
        with store.hold(work, 1) as owner:
            assert work(1) is None
            assert work(2) == 2
        seen = store.duplicates(work)
        assert work(1) == 1

    assert [(one.owner, one.outcome) for one in seen] == [(owner, "answered")]


@pytest.mark.parametrize("lock", [n for n in LOCK_TYPES if n != "while_executing"])
def test_a_held_call_is_a_duplicate_when_it_is_published(app, lock):
    work = guarded(app, lock=lock)

    with fresh_store() as store:
        with store.hold(work, 1, note="held"):
            assert work.delay(1, note="held").duplicate
            assert not work.delay(1).duplicate
        [seen] = store.duplicates(work)

    assert (seen.outcome, seen.at, seen.task) == ("dropped", "publish", "work")


def test_duplicates_are_told_apart_by_their_tasks(app):
    one, other = guarded(app, "one"), guarded(app, "other")

    with fresh_store() as store, store.hold(one, 1):
        one(1)
        other(1)

    assert [len(store.duplicates(task)) for task in (one, other)] == [1, 0]


def test_a_key_that_is_held_cannot_be_held_again(app):
    work = guarded(app)

    with fresh_store() as store, store.hold(work, 1) as owner:
        with pytest.raises(ConfigurationError, match=owner), store.hold(work, 1):
            pass


def test_what_is_no_guarded_call_cannot_be_held(app):
    @app.task
    def plain(): ...

    work = guarded(app)
    with fresh_store() as store:
        with pytest.raises(UnknownCallError, match="no @unique"), store.hold(plain):
            pass
        with pytest.raises(UnknownCallError, match="do not fit"), store.hold(work):
            pass


@pytest.mark.parametrize("setting", [True, False, "shadow"])
def test_guards_are_switched_off_and_on(app, setting):
    app.conf.unique_enabled = setting
    work = guarded(app, on_duplicate="raise")

    with fresh_store() as store, store.hold(work, 1):
        with guards(False):
            assert work(1) == 1
            with guards(True), pytest.raises(DuplicateTaskError):
                work(1)
            assert work(1) == 1


def test_a_worker_in_threads_uses_the_store(worker_app, gate):
    @worker_app.task(name="gated")
    @unique(on_duplicate="skip")
    def work(item):
        gate.hold()
        return item

    gate.open()
    with fresh_store() as store, store.hold(work, 1):
        assert value_of(work.delay(1)) is None
        assert value_of(work.delay(2)) == 2


def test_all_threads_use_the_store(app):
    work = guarded(app, on_duplicate="skip")

    with fresh_store() as store, store.hold(work, 1), ThreadPoolExecutor(4) as threads:
        assert set(threads.map(work, [1] * 8)) == {None}

    assert len(store.duplicates(work)) == 8


def test_a_backend_in_memory_is_there_to_look_at(app):
    with fresh_store() as store:
        assert isinstance(store.backend, MemoryBackend)
