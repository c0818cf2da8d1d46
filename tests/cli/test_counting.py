"""What the commands ``stats`` and ``watch`` print of what was counted."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.clock import Clock
from tests.counting.counted import flushed
from tests.operating.test_explain import hold as run_under
from tests.published_calls import task_of
from unique_task import MemoryBackend, unique
from unique_task.backends.counting import KEPT, Counted
from unique_task.cli.counting import print_counters
from unique_task.cli.output import Away
from unique_task.cli.watching import watch_locks
from unique_task.counting import names
from unique_task.counting.tally import count
from unique_task.operating import Counters, counters

pytest_plugins = "tests.inprocess_fixtures"

WAITS, MINUTE = 12, 60


class Shared(MemoryBackend):
    """One that is seen by other processes, as far as the commands know."""

    shared = True
    reads = 0

    def counted(self, minutes: int = KEPT) -> Counted:
        self.reads += 1
        return super().counted(minutes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(app, clock):
    app.conf.unique_backend = store = Shared(clock)
    task_of(app, unique(lock="until_executed"))
    task_of(app, name="other")
    return store


@pytest.fixture
def busy(store, clock):
    """A store that counted half an hour ago, and now."""
    for ago in (30, 0):
        for _ in range(3 if ago else 1):
            count(store, "work", names.RUNS, 2.0)
            count(store, "work", names.duplicates("ignore", "publish"))
            count(store, "work", names.duplicates("ignore", "run"))
        for _ in range(WAITS):
            count(store, "other", names.WAITS)
        count(store, "other", names.WAITED, 90.0)
        assert flushed()
        clock.now += ago * MINUTE


def printed(capsys: Any) -> list[str]:
    lines: list[str] = capsys.readouterr().out.splitlines()
    return lines


def test_a_line_a_task_has_the_last_hour_and_the_last_minutes(app, busy, capsys):
    print_counters(app, "*", 60, False)

    assert printed(capsys) == [
        "store: memory://",
        "the last 60 min / the last 5 min",
        "TASK   RUNS   IGNORE  WAITS    MEAN WAIT        MEAN HELD",
        "other  0 / 0  0 / 0   24 / 12  90.0 s / 90.0 s  - / -",
        "work   4 / 1  8 / 2   0 / 0    - / -            2.0 s / 2.0 s",
    ]


def test_both_come_of_one_look_at_the_store(app, store, busy):
    print_counters(app, "*", 60, False)

    assert store.reads == 1


def test_what_is_older_is_not_counted(app, busy, capsys):
    print_counters(app, "work", 5, False)

    assert printed(capsys)[1:] == [
        "the last 5 min",
        "TASK  RUNS  IGNORE  MEAN HELD",
        "work  1     2       2.0 s",
    ]


def test_tasks_are_chosen_by_a_pattern(app, busy, capsys):
    print_counters(app, "o*", 60, False)

    assert [line.split()[0] for line in printed(capsys)[3:]] == ["other"]


def test_all_amounts_are_there_for_programs(app, busy, capsys):
    print_counters(app, "work", 60, True)

    hour, late = map(json.loads, printed(capsys))
    assert (hour["minutes"], late["minutes"]) == (60, 5)
    assert 59 * MINUTE <= hour["seconds"] < 60 * MINUTE
    assert hour["amounts"] == {
        "runs": 4,
        "held_seconds": 8,
        "duplicates.ignore.publish": 4,
        "duplicates.ignore.run": 4,
    }
    assert late["amounts"]["runs"] == 1


def test_if_nothing_was_counted_it_says_so(app, store, capsys):
    print_counters(app, "*", 60, False)

    assert printed(capsys)[1:] == ["nothing was counted in the last 60 min"]


class Without(Shared):
    """One that keeps no counters."""

    promises = replace(Shared.promises, counts=False)


def test_a_store_that_keeps_no_counters_is_named(app, store, capsys):
    app.conf.unique_backend = Without()

    with pytest.raises(Away, match="memory://: the store keeps no counters"):
        print_counters(app, "*", 60, False)


def test_a_look_shows_what_is_held_and_the_rates(app, busy, store, capsys):
    run_under(app.tasks["work"], owner="running", state="running")

    watch_locks(app, "*", 0.1, 1)

    _, held, head, *table = printed(capsys)
    assert held.startswith("held: 1 running; the first: work running, ")
    assert head == "a minute, in the last 5:"
    seconds = {one.seconds for one in counters(app, 5) if isinstance(one, Counters)}
    runs, ignored, waits = (f"{n * MINUTE / max(seconds):.1f}" for n in (1, 2, WAITS))
    heads, other, work = (" ".join(line.split()) for line in table)
    assert heads == "TASK RUNS IGNORE WAITS MEAN WAIT MEAN HELD"
    assert other == f"other 0.0 0.0 {waits} 90.0 s -"
    assert work == f"work {runs} {ignored} 0.0 - 2.0 s"


def test_it_looks_as_often_as_it_is_asked_to(app, busy, capsys):
    watch_locks(app, "*", 0.1, 3)

    assert printed(capsys).count("store: memory://") == 3


def test_what_is_missing_is_said_at_each_look_and_is_an_error(app, store, capsys):
    app.conf.unique_backend = Without()

    with pytest.raises(Away, match="keeps no counters"):
        watch_locks(app, "*", 0.1, 2)

    text = "missing: memory://: the store keeps no counters: use another one"
    assert printed(capsys).count(text) == 2
