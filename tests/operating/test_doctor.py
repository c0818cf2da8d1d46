"""The checks of tasks, queues and settings: one that fails, one that passes."""

import time
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from kombu import Queue

from tests.published_calls import task_of
from unique_task import MemoryBackend, cached, retry, unique
from unique_task.backends.findings import Finding, Level
from unique_task.backends.promises import Promises
from unique_task.operating.doctor import examine

pytest_plugins = "tests.inprocess_fixtures"

WORK = unique(key="{item}")
RETRY = unique(on_duplicate=retry(maximum=30))
PUBLISHED = unique(lock="until_executed", expire=60)

REDIS = "redis://localhost:1/0"
RABBITMQ = "amqp://localhost:1//"


def finding(app: Celery, name: str) -> Finding:
    """What the doctor says by one check; no worker and no broker is asked."""
    [found] = [one for one in examine(app, timeout=0) if one.name == name]
    return found


def levels(app: Celery) -> dict[str, Level]:
    return {one.name: one.level for one in examine(app, timeout=0)}


def test_a_check_has_one_line_and_what_is_wrong_has_an_advice(app):
    task_of(app, RETRY, acks_late=True)

    found = list(examine(app, timeout=0))

    assert len({one.name for one in found}) == len(found) > 10
    assert all(one.found for one in found)
    wrong = [one for one in found if one.level in (Level.WARN, Level.FAIL)]
    assert {one.name for one in wrong} >= {"acks_late"}
    assert all(one.advice for one in wrong if one.name != "promises")


# Settings


def test_wrong_settings_fail(app):
    task_of(app)
    app.conf.unique_expire = -1

    [found] = examine(app, timeout=0)

    assert (found.name, found.level) == ("settings", Level.FAIL)
    assert "unique_expire" in found.found


def test_options_that_do_not_fit_the_settings_fail(app):
    task_of(app, unique(limit=2))
    app.conf.unique_on_duplicate = "cached"

    assert finding(app, "settings").level is Level.FAIL


def test_an_app_without_unique_tasks_fails(app):
    found = finding(app, "settings")

    assert found.level is Level.FAIL
    assert "no unique tasks" in found.found


def test_guards_that_are_switched_off_are_warned_of(app):
    task_of(app)
    app.conf.unique_enabled = False

    [found] = examine(app, timeout=0)

    assert (found.name, found.level) == ("settings", Level.WARN)


def test_right_settings_pass(app):
    task_of(app)

    assert finding(app, "settings").level is Level.OK


# The store


def test_a_store_that_may_lose_locks_is_warned_of(app):
    task_of(app)

    found = finding(app, "promises")

    assert found.level is Level.WARN
    assert found.where == "memory://"


class Kept(MemoryBackend):
    """One that has no warning to give."""

    promises = Promises(clock="the process's")


def test_a_store_that_loses_none_passes(app):
    app.conf.unique_backend = Kept()
    task_of(app)

    assert levels(app)["promises"] is Level.OK


@pytest.mark.parametrize("ahead", [-60, 60])
def test_a_store_with_another_clock_is_warned_of(app, ahead):
    task_of(app)

    found = {
        one.name: one for one in examine(app, timeout=0, now=lambda: now() + ahead)
    }

    assert found["clock"].level is Level.WARN
    word = "behind" if ahead > 0 else "ahead"
    assert f"60 s {word}" in found["clock"].found


now = time.time


def test_a_store_with_the_clock_of_this_process_passes(app):
    task_of(app)

    assert finding(app, "clock").level is Level.OK


class Timeless(MemoryBackend):
    promises = Promises(fenced=False)


def test_a_store_without_a_clock_says_so(app):
    app.conf.unique_backend = Timeless()
    task_of(app)

    assert finding(app, "clock").level is Level.UNKNOWN


# Waits and time limits


@pytest.mark.parametrize(
    "guard, visibility, level",
    [
        (RETRY, 20, Level.WARN),
        (RETRY, 30, Level.WARN),
        (RETRY, 31, Level.OK),
        (unique(on_duplicate=retry(maximum=3601)), None, Level.WARN),
        (unique(on_duplicate=cached()), 20, Level.WARN),
        (unique(lock="until_and_while_executing"), 20, Level.WARN),
        (unique(on_duplicate="ignore"), 20, Level.OK),
    ],
)
def test_waits_are_compared_with_the_visibility_timeout(app, guard, visibility, level):
    app.conf.broker_url = REDIS
    if visibility:
        app.conf.broker_transport_options = {"visibility_timeout": visibility}
    task_of(app, guard, "shop.pay")

    found = finding(app, "waits")

    assert found.level is level
    assert ("shop.pay" in found.found) == (level is Level.WARN)


@pytest.mark.parametrize(
    "url, level",
    [(RABBITMQ, Level.UNKNOWN), ("memory://", Level.OK), ("filesystem://", Level.OK)],
)
def test_a_broker_that_does_not_tell_when_it_delivers_again_says_so(app, url, level):
    app.conf.broker_url = url
    task_of(app, RETRY, acks_late=True)

    assert levels(app)["waits"] is level
    assert levels(app)["time_limits"] is level


def test_the_time_limits_of_no_task_are_no_question(app):
    app.conf.broker_url = RABBITMQ
    task_of(app, WORK)

    assert finding(app, "time_limits").found == "no task has acks_late"


@pytest.mark.parametrize(
    "options, level",
    [
        ({"acks_late": True, "time_limit": 3601}, Level.WARN),
        ({"acks_late": True, "time_limit": 3599}, Level.OK),
        ({"acks_late": True}, Level.UNKNOWN),
        ({"time_limit": 3601}, Level.OK),
    ],
)
def test_time_limits_are_compared_with_the_visibility_timeout(app, options, level):
    app.conf.broker_url = REDIS
    task_of(app, WORK, **options)

    assert finding(app, "time_limits").level is level


def test_the_time_limit_of_the_app_counts(app):
    app.conf.update(broker_url=REDIS, task_time_limit=4000)
    task_of(app, WORK, acks_late=True)

    assert finding(app, "time_limits").level is Level.WARN


# Expire


@pytest.mark.parametrize(
    "renew, limit, level",
    [
        (False, 61, Level.WARN),
        (False, 60, Level.OK),
        (False, None, Level.UNKNOWN),
        (True, 61, Level.OK),
    ],
)
def test_a_lock_that_is_not_renewed_is_compared_with_the_time_limit(
    app, renew, limit, level
):
    task_of(app, unique(expire=60, renew=renew), time_limit=limit)

    assert finding(app, "run_expire").level is level


@pytest.mark.parametrize(
    "guard, expires, level",
    [
        (PUBLISHED, 61, Level.WARN),
        (PUBLISHED, timedelta(minutes=2), Level.WARN),
        (PUBLISHED, 60, Level.OK),
        (PUBLISHED, None, Level.OK),
        (unique(expire=60), 61, Level.OK),
    ],
)
def test_a_reserved_lock_is_compared_with_the_expires_of_the_task(
    app, guard, expires, level
):
    task_of(app, guard, expires=expires)

    assert finding(app, "message_expire").level is level


@pytest.mark.parametrize(
    "limits",
    [
        {"message_ttl": 5.0},
        {"max_length": 10},
        {"queue_arguments": {"x-max-length": 9}},
    ],
)
@pytest.mark.parametrize(
    "url, guard, level",
    [
        (RABBITMQ, PUBLISHED, Level.WARN),
        (RABBITMQ, WORK, Level.OK),
        (REDIS, PUBLISHED, Level.OK),
    ],
)
def test_a_queue_that_drops_messages_is_warned_of(app, limits, url, guard, level):
    app.conf.update(
        broker_url=url,
        task_queues=[Queue("short", **limits), Queue("plain")],
        task_routes={"work": {"queue": "short"}},
    )
    task_of(app, guard)

    found = finding(app, "queues")

    assert found.level is level
    assert ("short" in found.found) == (level is Level.WARN)


def test_a_queue_without_limits_passes(app):
    app.conf.update(
        broker_url=RABBITMQ,
        task_queues=[Queue("short", max_length=1), Queue("plain")],
        task_routes={"work": {"queue": "plain"}},
    )
    task_of(app, PUBLISHED)

    assert finding(app, "queues").level is Level.OK


# Results, and killed processes


@pytest.mark.parametrize(
    "options, level",
    [
        ({"acks_late": True}, Level.WARN),
        ({"acks_late": True, "reject_on_worker_lost": True}, Level.OK),
        ({}, Level.OK),
    ],
)
def test_acks_late_needs_reject_on_worker_lost(app, options, level):
    task_of(app, WORK, **options)

    assert finding(app, "acks_late").level is level


def test_a_long_list_of_tasks_is_shortened(app):
    for number in range(20):
        task_of(app, WORK, f"task-{number:02}", acks_late=True)

    assert "task-07 and 12 more" in finding(app, "acks_late").found


@pytest.mark.parametrize(
    "results, guard, options, level",
    [
        ("rpc://", PUBLISHED, {}, Level.WARN),
        ("rpc://", PUBLISHED, {"ignore_result": True}, Level.OK),
        ("rpc://", unique(lock="until_executed", on_duplicate="raise"), {}, Level.OK),
        ("rpc://", unique(on_duplicate="cached"), {}, Level.OK),
        ("cache+memory://", PUBLISHED, {}, Level.OK),
    ],
)
def test_results_are_compared_with_the_policies_that_need_them(
    app, results, guard, options, level
):
    app.conf.result_backend = results
    task_of(app, guard, **options)

    assert finding(app, "results").level is level


# The workers


def test_without_a_broker_nothing_is_known_of_the_workers(app):
    app.conf.broker_url = RABBITMQ
    task_of(app, WORK)

    [found] = [one for one in examine(app, timeout=0.1) if one.name == "workers"]

    assert found.level is Level.UNKNOWN
    assert "does not answer" in found.found


def test_findings_are_plain_data(app):
    task_of(app, WORK)

    for one in examine(app, timeout=0):
        values: dict[str, Any] = vars(one)
        assert {type(value) for value in values.values()} <= {str, bool, Level}
        assert one.level in ("ok", "unknown", "warn", "fail")
