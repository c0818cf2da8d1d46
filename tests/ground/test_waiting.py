import time
from itertools import chain, repeat

import pytest

from tests.waiting import in_time, wait_until

pytestmark = pytest.mark.any_celery


def test_the_first_true_value_is_returned():
    values = iter([None, 0, "ready"])

    assert wait_until(lambda: next(values)) == "ready"


def test_a_timeout_says_what_did_not_happen():
    with pytest.raises(AssertionError, match="After 0.01 s: no light"):
        wait_until(lambda: False, timeout=0.01, message="no light")


def test_what_becomes_true_while_the_machine_stands_still_is_in_time():
    answers = iter([False, True])

    def stand_still():
        time.sleep(0.02)
        return next(answers)

    assert wait_until(stand_still, timeout=0.01)


def test_what_was_made_too_late_is_made_anew():
    pauses = chain([0.06, 0.05], repeat(0))

    def make():
        time.sleep(pause := next(pauses))
        return pause

    assert in_time(make, 0.04) == 0


def test_the_message_is_made_when_the_time_is_out():
    with pytest.raises(AssertionError, match="the log then"):
        wait_until(lambda: False, timeout=0.01, message=lambda: "the log then")
