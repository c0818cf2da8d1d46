"""The page on upgrades is true: two releases share a queue and a store."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery

from tests.inprocess import make_app, value_of
from tests.published_calls import holder, key_of, remaining
from tests.waiting import wait_until
from unique_task import ConfigurationError, current_lock, skip, unique

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

Releases = Callable[..., tuple[Any, Any]]

NAME = "shop.charge"


@pytest.fixture
def old_app(worker_app: Celery) -> Iterator[Celery]:
    """The release before: its processes publish to the workers of the new one."""
    shared = {
        name: worker_app.conf[name] for name in ("unique_backend", "task_default_queue")
    }
    with make_app(**shared) as app:
        yield app


@pytest.fixture
def releases(worker_app, old_app, gate) -> Releases:
    """Call it with two decorators: the task of the old release, and of the new one.

    The new one runs, and returns the key under which it does.
    """

    def charge(order_id, note=""):
        gate.hold()
        with suppress(LookupError):  # no guard
            return current_lock().key

    def two(before: Any, after: Any, name: str = NAME) -> tuple[Any, Any]:
        old = old_app.task(name=NAME)(before(charge))
        return old, worker_app.task(name=name)(after(charge))

    return two


def plain(function: Any) -> Any:
    return function


def test_a_message_from_before_the_first_guard_gets_a_lock_when_it_starts(
    releases, gate
):
    old, new = releases(plain, unique(lock="until_executed"))

    first = old.delay(7)
    gate.wait_for_arrival()

    assert holder(new, 7).owner == first.id
    assert new.delay(7).id == first.id
    gate.open()
    assert value_of(first) == key_of(new, 7)


def test_a_message_with_a_lock_frees_it_where_no_guard_is_left(releases, gate):
    old, new = releases(unique(lock="until_executed"), plain)

    first = old.delay(7)
    gate.wait_for_arrival()
    assert holder(old, 7).owner == first.id
    gate.open()

    assert value_of(first) is None
    wait_until(lambda: holder(old, 7) is None)


def test_a_message_keeps_the_key_with_which_it_was_published(releases, gate):
    old, new = releases(
        unique(key="{order_id}", lock="until_executed"),
        unique(key=["order_id", "note"], lock="until_executed"),
    )
    assert key_of(old, 7) != key_of(new, 7)

    first = old.delay(7)
    gate.wait_for_arrival()
    second = new.delay(7)

    assert not second.duplicate
    gate.open()
    assert value_of(first) == key_of(old, 7)
    assert value_of(second) == key_of(new, 7)
    assert (holder(old, 7), holder(new, 7)) == (None, None)


def test_a_key_that_is_made_at_run_is_that_of_the_release_that_runs(releases, gate):
    gate.open()
    old, new = releases(unique(key="{order_id}"), unique(key=["order_id", "note"]))

    assert value_of(old.delay(7)) == key_of(new, 7)


def test_under_another_namespace_a_message_frees_its_lock_and_takes_the_new_one(
    releases, gate
):
    old, new = releases(
        unique(lock="until_executed"), unique(lock="until_executed", namespace="ledger")
    )

    first = old.delay(7)
    gate.wait_for_arrival()
    assert holder(old, 7).owner == holder(new, 7).owner == first.id
    gate.open()

    assert value_of(first) == key_of(new, 7)
    wait_until(lambda: holder(old, 7) is None and holder(new, 7) is None)


def test_a_message_keeps_its_lock_type(releases, gate):
    old, new = releases(unique(lock="until_executed"), unique(lock="until_executing"))

    first = old.delay(7)
    gate.wait_for_arrival()

    assert new.delay(7).id == first.id
    gate.open()
    value_of(first)


def test_a_duplicate_ends_as_the_release_says_whose_worker_gets_it(releases, gate):
    old, new = releases(unique, unique(on_duplicate=skip("skipped")))

    first = old.delay(7)
    gate.wait_for_arrival()

    assert value_of(old.delay(7)) == "skipped"
    gate.open()
    assert value_of(first) == key_of(new, 7)


def test_a_lock_of_publish_stands_for_as_long_as_its_publisher_said(releases):
    old, new = releases(
        unique(lock="until_executed", expire=60),
        unique(lock="until_executed", expire=600),
    )

    # Of no other test: its lock stays.
    old.apply_async((8,), queue="nobody")

    assert remaining(new, 8) <= 60


def test_a_task_under_a_new_name_has_the_same_keys_by_the_old_namespace(releases):
    old, new = releases(unique, unique(namespace=NAME), name="shop.bill")

    assert key_of(old, 7) == key_of(new, 7)


@pytest.mark.parametrize("enabled", [False, "shadow"])
def test_where_guards_are_off_a_message_still_frees_its_lock(
    releases, worker_app, gate, monkeypatch, enabled
):
    monkeypatch.setitem(worker_app.conf.changes, "unique_enabled", enabled)
    old, _ = releases(unique(lock="until_executed"), unique(lock="until_executed"))

    first = old.delay(7)
    gate.wait_for_arrival()
    assert holder(old, 7).owner == first.id
    gate.open()

    value_of(first)
    wait_until(lambda: holder(old, 7) is None)


def test_under_another_prefix_a_message_fails_and_says_what_to_set(releases, old_app):
    old_app.conf.unique_key_prefix = "other:"
    old, _ = releases(unique(lock="until_executed"), unique(lock="until_executed"))

    with pytest.raises(ConfigurationError, match="in another store"):
        value_of(old.delay(7))
