import math
import random
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery

from unique_task import (
    ConfigurationError,
    Duplicate,
    DuplicateTaskError,
    cached,
    retry,
    skip,
)
from unique_task.options.duplicate import Policy
from unique_task.options.policies import Cached, Wait, fail, ignore

app = Celery(set_as_current=False)
app.conf.task_ignore_result = True


@app.task(shared=False)
def charge(order_id: int) -> None: ...


def duplicate(request: Any = None) -> Duplicate:
    return Duplicate(charge, (1,), {}, "abc", "task-1", 12.5, request)


@app.task(bind=True, shared=False)
def follow(self: Any, policy: Policy) -> Any:
    """Do what the policy says of this call as a duplicate."""
    return policy(duplicate(self.request))


# What each does of a direct call, or an eager one; queued calls are for real workers.


def test_ignore_lets_a_direct_call_return_none():
    assert ignore(duplicate()) is None  # type: ignore[func-returns-value]


def test_ignore_ends_an_eager_call():
    state: str = follow.apply((ignore,)).state

    assert state == "IGNORED"


def test_skip_returns_its_value():
    assert skip()(duplicate()) is None
    assert skip("done")(duplicate()) == "done"


@pytest.mark.parametrize("policy", [fail, retry(), cached()])
def test_a_call_without_a_queue_to_go_back_to_fails(policy):
    for call in (policy, lambda _: follow.apply((policy,), throw=True)):
        with pytest.raises(DuplicateTaskError) as error:
            call(duplicate())

        assert error.value.args == ("abc", "task-1", 12.5)


# The waits of retry()


def test_each_wait_is_longer_by_the_backoff_up_to_the_maximum():
    wait = retry(countdown=1, backoff=2, maximum=30, jitter=False)
    assert isinstance(wait, Wait)

    waits = [wait.next_countdown(times) for times in range(7)]

    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_without_backoff_each_wait_is_the_same():
    wait = Wait(countdown=5, backoff=1, jitter=False)

    assert {wait.next_countdown(times) for times in range(5)} == {5}


def test_no_wait_is_longer_than_the_maximum():
    wait = Wait(countdown=60, maximum=30, jitter=False)

    assert wait.next_countdown(0) == 30


@pytest.mark.parametrize("backoff", [1, 1.0, 1.5, 2, 2.0, 1e308])
@pytest.mark.parametrize("times", [1000, 100_000])
def test_the_waits_do_not_end_however_many_there_were(backoff, times):
    wait = Wait(countdown=1, backoff=backoff, jitter=False)

    assert wait.next_countdown(times) == (1 if backoff == 1 else 30)


def test_jitter_takes_at_least_half_of_a_wait():
    random.seed(1)
    wait = Wait(countdown=10, backoff=1)

    waits = [wait.next_countdown(0) for _ in range(200)]

    assert 5 <= min(waits) < 5.5
    assert 9.5 < max(waits) <= 10


def test_waits_are_given_as_users_write_durations():
    wait = retry(
        countdown=timedelta(seconds=2),
        maximum=timedelta(minutes=1),
        timeout=timedelta(hours=1),
    )

    assert wait == Wait(countdown=2, maximum=60, timeout=3600)


def test_a_timeout_of_zero_is_allowed():
    assert retry(timeout=0) == Wait(timeout=0)


@pytest.mark.parametrize(
    "name, value, allowed",
    [
        ("countdown", 0, "more than 0"),
        ("countdown", "1", "seconds or a timedelta"),
        ("countdown", None, "seconds or a timedelta"),
        ("maximum", -1, "more than 0"),
        ("maximum", math.inf, "seconds or a timedelta"),
        ("timeout", -1, "0 or more"),
        ("timeout", timedelta(-1), "0 or more"),
        ("timeout", True, "seconds or a timedelta"),
        ("backoff", 0.5, "1 or more"),
        ("backoff", "2", "a number"),
        ("backoff", True, "a number"),
        ("backoff", None, "a number"),
        ("backoff", math.nan, "a number"),
        ("jitter", "no", "True and False"),
        ("jitter", None, "True and False"),
    ],
)
def test_a_wrong_argument_of_retry_is_an_error_that_says_what_is_allowed(
    name, value, allowed
):
    with pytest.raises(ConfigurationError) as error:
        retry(**{name: value})

    assert f"{name}={value!r}: " in str(error.value)
    assert allowed in str(error.value)


@pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1)])
def test_cached_takes_a_time_to_live(ttl):
    assert cached(ttl) == cached(ttl=ttl) == Cached(60)


@pytest.mark.parametrize("ttl", [0, -1, "60", math.nan, True, timedelta(0)])
def test_a_wrong_time_to_live_is_an_error(ttl):
    with pytest.raises(ConfigurationError, match="ttl=.*seconds or a timedelta"):
        cached(ttl)


def test_a_policy_is_made_of_arguments_by_name():
    with pytest.raises(TypeError):
        retry(5)  # type: ignore[call-arg]
