import pytest

from tests.waiting import wait_until


def test_the_first_true_value_is_returned():
    values = iter([None, 0, "ready"])

    assert wait_until(lambda: next(values)) == "ready"


def test_a_timeout_says_what_did_not_happen():
    with pytest.raises(AssertionError, match="After 0.01 s: no light"):
        wait_until(lambda: False, timeout=0.01, message="no light")


def test_the_message_is_made_when_the_time_is_out():
    with pytest.raises(AssertionError, match="the log then"):
        wait_until(lambda: False, timeout=0.01, message=lambda: "the log then")
