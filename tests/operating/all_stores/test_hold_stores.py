"""A key is held in every store: all of its places, or none."""

import time
from typing import Any

import pytest

from tests.published_calls import key_of, task_of
from tests.waiting import wait_until
from unique_task import unique
from unique_task.backends.record import Record, Token
from unique_task.operating import Hold, Lock, Wanted, hold, locks, release
from unique_task.options.app_settings import backend_of, settings_of

pytest_plugins = "tests.inprocess_fixtures"

URLS = ("redis_url", "postgresql_url", "mariadb_url")
ANN: dict[str, Any] = {"by": "ann", "reason": "migration", "timeout": 0}


@pytest.fixture(params=URLS)
def store(app, request):
    app.conf.update(unique_backend=request.getfixturevalue(request.param))
    app.conf.update(unique_timeout=20)
    return lambda: backend_of(app, settings_of(app))


def test_all_places_of_a_key_are_held_and_freed(app, store):
    task = task_of(app, unique(limit=3))

    taken = hold(app, task.name, seconds=60, **ANN)

    holders = store().holders(key_of(task))
    assert isinstance(taken, Hold)
    assert [one.record.hold for one in holders] == ["held by ann: migration"] * 3
    assert all(50 < one.remaining <= 60 for one in holders)
    assert taken.fence == max(one.record.fence for one in holders)
    found = [one for one in locks(app, Wanted(), timeout=0) if isinstance(one, Lock)]
    assert [one.outcome for one in release(app, found, force=True)] == ["released"] * 3
    assert store().holders(key_of(task)) == []


def test_a_key_in_memcached_is_held(app, memcached_url):
    app.conf.update(unique_backend=memcached_url, unique_timeout=20)
    task = task_of(app)

    taken: Any = hold(app, task.name, seconds=60, **ANN)

    held: Any = backend_of(app, settings_of(app)).get(key_of(task))
    assert (held.record.owner, held.record.hold) == (
        taken.owner,
        "held by ann: migration",
    )
    assert (taken.fence, 50 < held.remaining <= 61) == (None, True)


def test_a_hold_ends_by_its_time(app, store):
    task = task_of(app, unique(limit=2))
    began = time.monotonic()

    assert isinstance(hold(app, task.name, seconds=1, **ANN), Hold)

    wait_until(lambda: not store().holders(key_of(task)))
    assert time.monotonic() - began >= 1


def test_a_hold_that_cannot_have_all_places_has_none(app, store):
    task = task_of(app, unique(limit=3))
    record = Record(Token.of_attempt("running"), task.name)
    store().acquire(key_of(task), record, 60, limit=3)

    refused = hold(app, task.name, seconds=60, **ANN)

    assert isinstance(refused, Lock)
    assert [one.owner for one in refused.holders] == ["running"]
    assert [h.record.owner for h in store().holders(key_of(task))] == ["running"]
