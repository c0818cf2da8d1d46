import signal
from collections.abc import Iterator

import pytest

from tests.alarm import Alarm
from tests.waiting import wait_until

pytestmark = pytest.mark.any_celery


class Rung(Exception):
    """What an alarm raises."""


def ring() -> None:
    raise Rung


@pytest.fixture(autouse=True)
def timer() -> Iterator[None]:
    """The limit of the test is in force after it as it was before."""
    handler = signal.getsignal(signal.SIGALRM)
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    yield
    assert signal.getsignal(signal.SIGALRM) is handler
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < left


def test_it_rings_once_in_the_middle_of_the_block():
    rung: list[int] = []

    with Alarm(0.01, lambda: rung.append(1)) as alarm:
        wait_until(lambda: rung)
        assert alarm.has_rung

    assert rung == [1]


def test_the_limit_of_the_test_is_in_force_again_when_it_has_rung():
    with Alarm(0.01, lambda: None) as alarm:
        wait_until(lambda: alarm.has_rung)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 10


@pytest.mark.parametrize("microseconds", range(0, 100, 5))
def test_what_it_raises_leaves_the_block(microseconds):
    with pytest.raises(Rung), Alarm(1e-6 + microseconds * 1e-6, ring) as alarm:
        wait_until(lambda: alarm.has_rung)


def test_it_does_not_ring_after_the_block():
    with Alarm(0.1, ring) as alarm:
        pass

    assert not alarm.has_rung
    with Alarm(0.2, lambda: None) as later:
        wait_until(lambda: later.has_rung)
