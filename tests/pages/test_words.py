"""Texts and times are short, and play no tricks with whoever sees them."""

import math

import pytest

from unique_task.pages.words import duration, shown

pytestmark = pytest.mark.any_celery


def test_what_can_be_shown_stays_as_it_is():
    assert shown("täglich {«x»} 日本") == "täglich {«x»} 日本"


@pytest.mark.parametrize(
    "seconds, text",
    [
        (None, "-"),
        (-1, "0.0 s"),
        (4.21, "4.2 s"),
        (119, "119.0 s"),
        (120, "2 min"),
        (7200, "2 h"),
        (172800, "2 d"),
        (math.inf, "no end"),
    ],
)
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text
