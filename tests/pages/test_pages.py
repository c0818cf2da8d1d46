"""What stands on a page of locks, of one lock, and of all tasks."""

import re
from dataclasses import replace
from itertools import starmap
from typing import Any

import pytest

from tests.clock import Clock
from tests.counting.counted import flushed
from tests.operating.test_explain import hold
from tests.published_calls import holder, key_of, task_of
from tests.servers.process import free_port
from unique_task import MemoryBackend, operating, unique
from unique_task.counting import names
from unique_task.counting.tally import count
from unique_task.operating import Lock, show
from unique_task.pages.inputs import Filters
from unique_task.pages.locks import SIZE, locks_page
from unique_task.pages.rates import rates
from unique_task.pages.releasing import offered, released
from unique_task.pages.timeline import timeline

pytest_plugins = "tests.inprocess_fixtures"
pytestmark = pytest.mark.any_celery


class Listed(MemoryBackend):
    """One that counts how many locks it was asked for."""

    shared = True


@pytest.fixture
def task(app) -> Any:
    app.conf.unique_backend = Listed()
    return task_of(app, unique(lock="until_and_while_executing", limit=1))


def page(app: Any, **fields: str) -> Any:
    return locks_page(app, Filters.of({n: [v] for n, v in fields.items()}), timeout=0)


def ending_in(lock: Lock, seconds: float) -> Lock:
    [holder] = lock.holders
    return replace(lock, holders=(replace(holder, remaining=seconds),))


def test_locks_come_by_pages_and_each_once(app, task):
    for item in range(2 * SIZE + 1):
        hold(task, item)

    pages = [page(app, page=str(number)) for number in (1, 2, 3, 4)]

    assert [len(one.rows) for one in pages] == [SIZE, SIZE, 1, 0]
    assert [one.more for one in pages] == [True, True, False, False]
    keys = {row.lock.key for one in pages for row in one.rows}
    assert keys == {key_of(task, item) for item in range(2 * SIZE + 1)}


def test_what_there_was_no_time_to_look_at_is_missing(app, task):
    hold(task)

    found = operating.page(app, timeout=0, seconds=0)

    assert (found.locks, found.more) == ((), False)
    [missing] = found.missing
    assert "no time to look at all its locks" in str(missing)


def test_a_row_says_who_holds_a_lock_and_what_names_it(app, task):
    hold(task, owner="a", worker="w1")

    [row] = page(app).rows

    assert (row.state, row.wanted, row.holder.owner) == ("running", key_of(task), "a")
    assert re.fullmatch(r"\d+\.\d s ago", row.since)
    assert re.fullmatch(r"(60\.0|[1-5]?\d\.\d) s", row.left)


@pytest.mark.parametrize("verdict, count", [("unknown", 1), ("dead", 0)])
def test_locks_are_chosen_by_their_verdict(app, task, verdict, count):
    hold(task, process="elsewhere/1/2")

    assert len(page(app, verdict=verdict).rows) == count


def test_a_store_that_is_away_is_missed_beside_one_that_fills_the_page(app, task):
    url = f"redis://127.0.0.1:{free_port()}/0"
    task_of(app, unique(backend=url), "other")
    for item in range(SIZE + 1):
        hold(task, item)

    found = page(app)

    assert len(found.rows) == SIZE and found.more
    [missing] = found.missing
    assert "refused" in str(missing)


def test_the_timeline_of_a_key_goes_from_what_was_to_what_will_be(app, task):
    hold(task, owner="first", worker="w1")
    hold(task, owner="second", name=key_of(task) + ".pending", state="pending")
    [detail] = show(app, key_of(task), timeout=0)
    ends = zip(detail.locks, (60.0, 61.0))

    told = timeline(replace(detail, locks=tuple(starmap(ending_in, ends))))

    assert [(one.past, one.what) for one in told] == [
        (True, "first got the lock: it runs in w1"),
        (True, "the message of second was sent, with the lock"),
        (False, "the lock of first ends, unless it is renewed"),
        (False, "the lock of second ends, unless it starts"),
    ]
    assert [one.when for one in told[2:]] == ["in 60.0 s", "in 61.0 s"]


def test_what_happened_at_a_time_that_nobody_knows_comes_first(app, task):
    hold(task, owner="a", state="called")
    [detail] = show(app, key_of(task), timeout=0)
    [lock] = detail.locks
    unknown = replace(lock, holders=(replace(lock.holders[0], since=None),))

    first, last = timeline(replace(detail, locks=(unknown,)))

    assert (first.when, first.what) == ("-", "a got the lock: it runs in place")
    assert last.what == "the lock of a ends"


def test_a_release_is_offered_and_then_done_for_those_that_were_seen(app, task):
    key = key_of(task)
    hold(task, owner="seen", state="pending")
    offer = offered(app, [key], timeout=0)
    assert (offer.words, holder(task).owner) == ("1 would be released", "seen")

    assert released(app, [key], ["other"], by="ann", timeout=0).released == ()
    done = released(app, [key], offer.tokens, by="ann", timeout=0)

    assert (done.words, holder(task)) == ("1 released", None)


def test_a_run_is_released_with_a_tick_alone(app, task):
    hold(task, process="elsewhere/1/2")
    offer = offered(app, [key_of(task)], timeout=0)
    chosen: Any = ([key_of(task)], offer.tokens)

    refused = released(app, *chosen, by="ann", timeout=0)
    done = released(app, *chosen, by="ann", running=True, timeout=0)

    assert (refused.words, refused.need_running) == ("1 refused", True)
    assert done.words == "1 released"


def test_each_task_has_its_plan_and_what_was_counted_lately(app):
    clock = Clock()
    app.conf.unique_backend = store = Listed(clock)
    task_of(app, unique(lock="until_executed"))
    task_of(app, name="quiet")
    for _ in range(2):
        count(store, "work", names.RUNS, 2.0)
        count(store, "gone", names.duplicates("ignore", "publish"))
        assert flushed()
        clock.now += 600

    found = rates(app)

    gone, quiet, work = found.tasks
    assert (gone.task, gone.plan, quiet.last_hour) == ("gone", None, None)
    assert work.plan and (work.plan.lock, work.plan.at_run) == (
        *("until_executed", "ignore"),
    )
    assert work.last_hour and work.lately
    assert (work.last_hour.runs, work.lately.runs) == (2, 0)
    runs, duplicates = work.lines
    assert [place for place, value in enumerate(runs.values) if value] == [39, 49]
    assert runs.words == "runs: 2 in 60 min, at most 1 in a minute"
    assert duplicates.values == (0,) * 60
    assert [column.head for column in found.columns] == ["RUNS", "IGNORE", "MEAN HELD"]
    assert runs.points(59, 10, 2).split()[38:40] == ["38.0,10.0", "39.0,5.0"]
