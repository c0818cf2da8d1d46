"""What every store that keeps counters has counted."""

import math
import sys
import time
from threading import Thread

import pytest

from tests.backends.flushes import AMOUNTS, PROCESSES
from tests.backends.stores import AWKWARD, FIRST, KINDS, LEASE, STORES, open_store
from tests.docs.test_readme import ROOT
from tests.programs import run, unmeasured
from unique_task import ConfigurationError
from unique_task.backends.base import Backend
from unique_task.backends.counting import (
    KEPT,
    Counter,
    Counts,
    counter_of,
    minute_of,
)
from unique_task.backends.listing import Lists

RUNS, WAITS = ("shop.charge", "runs"), ("shop.charge", "waits")
REPORTS = ("shop.report", "duplicates.ignore.publish")

#: What a process has counted since its last flush.
SOME: dict[Counter, float] = {RUNS: 3, WAITS: 0.25, REPORTS: 1}


@pytest.fixture
def counts(backend: Backend) -> Counts:
    counter = counter_of(backend)
    if counter is None:
        pytest.skip("it keeps no counters")
    return counter


def sums(counts: Backend, minutes: int = KEPT) -> dict[Counter, float]:
    """What all minutes have counted."""
    assert isinstance(counts, Counts)
    found: dict[Counter, float] = {}
    for row in counts.counted(minutes).rows:
        counter = row.task, row.name
        found[counter] = found.get(counter, 0) + row.amount
    return found


# What is counted


def test_a_store_that_has_counted_nothing_has_no_rows(counts):
    assert list(counts.counted().rows) == []


def test_what_was_counted_is_returned(counts):
    counts.count("flush", SOME)

    assert sums(counts) == SOME


def test_amounts_add_up(counts):
    for number in range(3):
        counts.count(f"flush {number}", {RUNS: 2, WAITS: 0.5})
    counts.count("another", {RUNS: 1})

    assert sums(counts) == {RUNS: 7, WAITS: 1.5}


def test_a_minute_is_that_of_the_clock_that_is_returned(counts):
    before = counts.counted(1).now
    counts.count("flush", SOME)
    after = counts.counted(1)

    assert before <= after.now == pytest.approx(time.time(), abs=60)
    known = {minute_of(before), minute_of(after.now)}
    assert {row.minute for row in after.rows} <= known


def test_a_counter_has_one_row_in_a_minute(counts):
    for number in range(5):
        counts.count(f"flush {number}", SOME)

    rows = [(row.minute, row.task, row.name) for row in counts.counted().rows]

    assert len(rows) == len(set(rows))


def test_awkward_names_and_those_that_are_alike_are_counted_apart(counts):
    alike = ["a", "A", "a ", "ä", "a b", "a\0", *AWKWARD.values()]
    names = [*((name, "b") for name in alike), ("a", "B"), ("a", "\0b")]
    amounts = {counter: 2.0**number for number, counter in enumerate(names)}
    counts.count("flush", amounts)

    assert sums(counts) == amounts


def test_very_many_counters_are_counted_at_once(counts):
    amounts = {(f"task-{number}", "runs"): number for number in range(2000)}
    counts.count("flush", amounts)

    assert sums(counts) == amounts


def test_nothing_is_counted_without_amounts(counts):
    counts.count("flush", {})
    counts.count("flush", SOME)

    assert sums(counts) == SOME


# How often


def test_a_flush_that_is_repeated_counts_once(counts):
    for _ in range(3):
        counts.count("flush", SOME)

    assert sums(counts) == SOME


def test_awkward_flushes_are_counted_once_each(counts):
    flushes = {f"{text}{end}" for text in AWKWARD.values() for end in ("", ".", "-")}
    for flush in [*flushes, *flushes]:
        counts.count(flush, {RUNS: 1})

    assert sums(counts) == {RUNS: len(flushes)}


def test_flushes_of_many_threads_add_up(counts, hasty_threads):
    def flush_some(thread: int) -> None:
        for number in range(10):
            # Others have them in another order.
            amounts = dict(reversed(SOME.items())) if thread % 2 else SOME
            counts.count(f"{thread} {number}", amounts)
            counts.count(f"{thread} {number}", amounts)

    threads = [Thread(target=flush_some, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sums(counts) == {counter: 80 * SOME[counter] for counter in SOME}


@pytest.mark.parametrize("kind", [one for one in STORES if one in (*KINDS, "sqlite")])
def test_flushes_of_many_processes_add_up(kind, request):
    url = request.getfixturevalue(STORES[kind])
    counts = counter_of(open_store(url))
    if counts is None or not counts.shared:
        pytest.skip("no other process counts there")

    program = (sys.executable, "-m", "tests.backends.flushes", url, "10")
    run(*program, check=True, cwd=ROOT, env=unmeasured())

    flushes = 10 * PROCESSES
    assert sums(counts) == {one: flushes * AMOUNTS[one] for one in AMOUNTS}


# Whose


def test_projects_count_apart_each_under_its_prefix(counts):
    prefixes = [
        "",
        "shop:",
        "shop",
        "shop:2",
        "{shop}:",
        "}x",
        "sh?p*[a]\\:",
        "Läden ☃",
    ]
    amounts = {prefix: 2.0**number for number, prefix in enumerate(prefixes)}
    for prefix, amount in amounts.items():
        counts.with_prefix(prefix).count("flush", {RUNS: amount})

    for prefix, amount in amounts.items():
        assert sums(counts.with_prefix(prefix)) == {RUNS: amount}


def test_prefixes_of_counters_add_up(counts):
    inner = counts.with_prefix("one:").with_prefix("two:")
    inner.count("flush", SOME)

    assert sums(inner) == SOME
    for other in (counts, counts.with_prefix("one:"), counts.with_prefix("two:")):
        assert sums(other) == {}


# Beside locks


def test_counters_are_no_locks(counts):
    stores = [counts.with_prefix(prefix) for prefix in ("", "shop:", "counters")]
    for store in stores:
        store.count("flush", SOME)
        store.count("}", SOME)

    for store in stores:
        assert not isinstance(store, Lists) or list(store.locks()) == []


def test_a_lock_of_any_name_counts_nothing(counts):
    counts.count("flush", SOME)
    for key in ("counters", "counter", "flush"):
        counts.acquire(key, FIRST, LEASE, remember_for=LEASE)
        counts.count(f"beside {key}", SOME)

        assert counts.get(key).record.owner == "first"
        assert counts.release(key, FIRST.token, value=b"1", fresh_for=LEASE)
    assert sums(counts) == {counter: 4 * SOME[counter] for counter in SOME}


# What is refused


def test_what_is_no_amount_is_an_error_and_counts_nothing(counts):
    for amount in (-1, -0.001, math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="waits=.*an amount is a number from 0 on"):
            counts.count("flush", {RUNS: 1, WAITS: amount})

    counts.count("flush", SOME)
    assert sums(counts) == SOME


def test_what_is_no_name_of_a_counter_is_an_error(counts):
    for name in ("", "two words"):
        with pytest.raises(ValueError, match="a word without blanks"):
            counts.count("flush", {("shop.charge", name): 1})


def test_what_is_no_number_of_minutes_is_an_error(counts):
    for minutes in (0, -1, True, 1.5, 2.0, "10", None, KEPT + 1):
        with pytest.raises(ConfigurationError, match=f"minutes=.*from 1 to {KEPT}"):
            counts.counted(minutes)


def test_a_store_keeps_counters_if_it_promises_to(backend):
    for one in (backend, backend.with_prefix("shop:")):
        assert (counter_of(one) is not None) is one.promises.counts
        assert isinstance(backend, Counts) or not one.promises.counts
        assert one.promises.counts is one.promises.lists  # as the page of stores says
