"""Canvases, retries and successors in shadow mode: nothing of them changes."""

import pytest
from celery import chain, chord, group

from tests.inprocess import value_of
from tests.waiting import wait_until
from unique_task import unique
from unique_task.options.lock_types import LOCK_TYPES
from unique_task.recipes import throttle

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture(params=["while_executing", "until_executed"])
def work(request, worker_app, gate):
    """A task of which two calls meet at the gate, and return what they got."""

    @worker_app.task(name="work")
    @unique(lock=request.param, key=())
    def work(item):
        gate.hold()
        return item

    return work


@pytest.fixture
def collect(worker_app):
    @worker_app.task(name="collect")
    def collect(values):
        return values

    return collect


def test_all_members_of_a_group_run_and_all_but_one_are_counted(work, gate, counted):
    result = group(work.s(item) for item in range(3)).apply_async()
    for _ in range(3):
        gate.wait_for_arrival()
    gate.open()

    assert value_of(result) == [0, 1, 2]
    assert counted == [("ignore", "run")] * 2


def test_a_chord_gets_the_values_of_all_its_members(work, collect, gate, counted):
    result = chord([work.s(item) for item in range(3)], collect.s()).apply_async()
    for _ in range(3):
        gate.wait_for_arrival()
    gate.open()

    assert sorted(value_of(result)) == [0, 1, 2]
    assert counted == [("ignore", "run")] * 2


def test_a_chain_of_equal_calls_goes_on(work, gate, counted):
    gate.open()

    result = chain(work.s(1), work.s(), work.s()).apply_async()

    assert value_of(result) == 1


def test_a_call_with_a_callback_runs_and_is_counted_where_it_runs(
    work, collect, gate, counted
):
    first = work.delay(1)
    gate.wait_for_arrival()
    second = work.apply_async((2,), link=collect.s())
    gate.wait_for_arrival()
    gate.open()

    assert [value_of(first), value_of(second)] == [1, 2]
    assert counted == [("ignore", "run")]


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_successor_is_sent_and_runs_at_once_and_is_not_counted(
    worker_app, gate, counted, lock
):
    ran = []

    @worker_app.task
    @unique(lock=lock, key=())
    def work(times):
        ran.append(times)
        if times:
            work.apply_async((times - 1,), unique="successor")
            gate.hold()

    result = work.delay(1)
    wait_until(lambda: ran == [1, 0])
    gate.open()

    value_of(result)
    assert counted == []


def test_a_second_successor_of_a_key_is_counted_and_runs(worker_app, counted):
    ran = []

    @worker_app.task
    @unique(lock="until_executed", key=())
    def work(times):
        ran.append(times)
        if times == 2:
            later = {"unique": "successor", "countdown": 0.2}
            for _ in range(2):
                assert work.apply_async((0,), **later).duplicate is False

    value_of(work.delay(2))
    wait_until(lambda: ran == [2, 0, 0])

    assert counted == [("ignore", "publish")]


def test_a_call_beyond_its_window_runs_and_is_counted(worker_app, counted):
    @worker_app.task
    @throttle(60, limit=2)
    def work():
        return "ran"

    assert [value_of(work.delay()) for _ in range(3)] == ["ran"] * 3
    assert counted == [("ignore", "publish")]


def test_a_task_that_replaces_itself_is_not_counted(worker_app, counted):
    @worker_app.task(bind=True)
    @unique(lock="until_executed", key=())
    def work(self, times):
        if times:
            raise self.replace(work.s(times - 1))
        return "ran"

    assert value_of(work.delay(2)) == "ran"
    assert value_of(work.delay(2)) == "ran"
    assert counted == []


def test_autoretry_gets_the_errors_of_the_body(worker_app, counted):
    tries = []

    @worker_app.task(autoretry_for=(ValueError,), max_retries=2, retry_backoff=False)
    @unique(lock="until_executed")
    def work():
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return "ran"

    work.default_retry_delay = 0
    assert value_of(work.delay()) == "ran"
    assert value_of(work.delay()) == "ran"
    assert counted == []
