"""Pages of locks, and counters by the minute, in real stores."""

from typing import Any

import pytest

from tests.published_calls import key_of, task_of
from unique_task.backends.counting import counter_of
from unique_task.backends.record import Record, Token
from unique_task.counting.names import RUNS
from unique_task.operating import History, history, page
from unique_task.options.app_settings import backend_of, settings_of

pytest_plugins = "tests.inprocess_fixtures"

URLS = ("redis_url", "postgresql_url")


@pytest.fixture(params=URLS)
def task(app: Any, request: pytest.FixtureRequest) -> Any:
    app.conf.unique_backend = request.getfixturevalue(request.param)
    app.conf.unique_timeout = 20
    return task_of(app)


def test_each_lock_is_on_one_page(app, task):
    store, keys = backend_of(app, settings_of(app)), set()
    for item in range(60):
        keys.add(key := key_of(task, item))
        store.acquire(key, Record(Token.of_attempt(f"run {item}"), task.name), 60)

    pages = [page(app, skip=skip, size=25, timeout=0) for skip in (0, 25, 50)]

    assert [(len(one.locks), one.more) for one in pages] == [
        *((25, True), (25, True), (10, False)),
    ]
    assert {lock.key for one in pages for lock in one.locks} == keys
    assert not any(one.missing for one in pages)


def test_what_was_counted_stands_at_its_minute(app, task):
    store = counter_of(backend_of(app, settings_of(app)))
    assert store is not None
    store.count("1", {(task.name, RUNS): 2.0})

    [found] = history(app, 5)

    assert isinstance(found, History)
    # The minute may end meanwhile.
    assert [one.runs for one in found.each[:3]] == [0, 0, 0]
    assert sorted(one.runs for one in found.each[3:]) == [0, 2]
    assert found.last(5).runs == 2
