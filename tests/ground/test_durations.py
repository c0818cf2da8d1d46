from datetime import timedelta
from decimal import Decimal

import pytest

from unique_task import ConfigurationError
from unique_task.durations import seconds

pytestmark = pytest.mark.any_celery


@pytest.mark.parametrize(
    "value, number",
    [(60, 60.0), (0.5, 0.5), (timedelta(minutes=1, milliseconds=500), 60.5)],
)
def test_a_duration_is_read_as_seconds(value, number):
    read = seconds("expire", value)

    assert (read, type(read)) == (number, float)


@pytest.mark.parametrize(
    "value",
    [
        *(0, 0.0, -1, -0.5, timedelta(0), timedelta(seconds=-1)),
        *(float("inf"), float("nan"), 10**400),
        *("60", b"60", None, True, False, Decimal(60), 1j, [60]),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_finite_duration_above_zero_is_refused(value):
    with pytest.raises(ConfigurationError) as error:
        seconds("expire", value)

    assert f"expire={value!r}: " in str(error.value)
    assert "a number of seconds or a timedelta, " in str(error.value)
    assert "more than 0" in str(error.value)


@pytest.mark.parametrize("value", [0, 0.0, timedelta(0)])
def test_zero_is_read_where_it_is_allowed(value):
    assert seconds("timeout", value, zero=True) == 0


@pytest.mark.parametrize("value", [-1, False, None, timedelta(microseconds=-1)])
def test_where_zero_is_allowed_less_is_refused(value):
    with pytest.raises(ConfigurationError, match="timeout=.*: .*0 or more"):
        seconds("timeout", value, zero=True)
