"""Figures beside many waiters: measured on a real worker, which then has none left."""

import math

import pytest

from benchmarks import waiters
from benchmarks.hot_bodies import FLIGHT
from benchmarks.stage import Stage


@pytest.fixture
def few(monkeypatch):
    """A quick bench has a twentieth of the waiters."""
    monkeypatch.setattr(waiters, "WAITERS", 100)
    monkeypatch.setattr(waiters, "BATCH", 10)


@pytest.mark.usefixtures("few")
def test_waiters_are_gone_after_the_rate_beside_them_is_measured():
    with Stage(pairs=1) as stage:
        [pair] = waiters.measure_crowd(stage).pairs

        assert stage.broker.dbsize() == 0
        assert stage.locks.client.dbsize() == 0

    assert 0 < pair.ours < math.inf
    assert 0 < pair.other < math.inf


@pytest.mark.usefixtures("few")
def test_no_waiter_is_left_by_a_measurement_that_fails(monkeypatch):
    def fail(*_: object) -> None:
        raise TimeoutError("not all have arrived")

    monkeypatch.setattr(waiters, "wait_until", fail)

    with Stage(pairs=1) as stage:
        with pytest.raises(TimeoutError):
            waiters.measure_crowd(stage)

        assert stage.broker.dbsize() == 0


def test_single_flight_answers_each_caller(monkeypatch):
    monkeypatch.setattr(waiters, "CALLERS", 5)

    with Stage(pairs=1) as stage:
        [row] = [row for row in waiters.ROWS if row.name.startswith("single flight")]

        found = row.measure(stage)

    assert found.ours >= FLIGHT
    assert found.median == found.ours / FLIGHT
