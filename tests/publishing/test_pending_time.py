"""For how long a lock waits for its message."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tests.published_calls import holder, remaining, task_of
from unique_task import unique
from unique_task.publishing.send_options import pending_time, seconds_to

pytest_plugins = "tests.inprocess_fixtures"

ZONES = ["UTC", "America/New_York", "Asia/Tokyo"]


@pytest.fixture(params=ZONES)
def zoned(request, app):
    """An app in a time zone."""
    app.conf.timezone = request.param
    return app


def after(seconds: float) -> list[datetime | str]:
    """Return a moment that far from now, in every form that Celery takes.

    What names no time zone is in UTC, whatever that of the app is.
    """
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    zones = [moment.astimezone(ZoneInfo(name)) for name in ZONES]
    zulu = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    naive = moment.replace(tzinfo=None)
    return [*zones, naive, naive.isoformat(), zones[1].isoformat(), zulu]


def test_the_time_of_a_lock_counts_from_now(app):
    assert pending_time(app, {}, 60) == 60


@pytest.mark.parametrize("countdown", [30, 30.0])
def test_the_time_counts_from_when_the_message_may_start(zoned, countdown):
    assert pending_time(zoned, {"countdown": countdown}, 60) == 90
    for eta in after(30):
        assert pending_time(zoned, {"eta": eta}, 60) == pytest.approx(90, abs=5)


def test_a_countdown_comes_before_an_eta_as_in_celery(app):
    assert seconds_to(app, 30, after(90)[0]) == 30
    assert seconds_to(app, 0, after(90)[0]) == pytest.approx(90, abs=5)
    assert seconds_to(app, None, None) == 0


@pytest.mark.parametrize("past", [-1, -5000])
def test_what_might_have_started_long_ago_may_start_now(app, past):
    for eta in after(past):
        assert pending_time(app, {"eta": eta}, 60) == 60


def test_a_lock_ends_when_its_message_must_not_start_any_more(zoned):
    assert pending_time(zoned, {"expires": 20}, 60) == 20
    assert pending_time(zoned, {"expires": 20.5, "countdown": 5}, 60) == 20.5
    for expires in after(20):
        assert pending_time(zoned, {"expires": expires}, 60) == pytest.approx(20, abs=5)


def test_a_later_expiry_makes_no_lock_longer(zoned):
    assert pending_time(zoned, {"expires": 500}, 60) == 60
    for expires in after(500):
        assert pending_time(zoned, {"expires": expires}, 60) == 60


@pytest.mark.parametrize("seconds", [0, -1, -5000])
def test_for_what_has_expired_no_time_is_left(zoned, seconds):
    assert pending_time(zoned, {"expires": seconds}, 60) == 0
    for expires in after(seconds):
        assert pending_time(zoned, {"expires": expires}, 60) == 0


# Published


@pytest.fixture
def work(app):
    return task_of(app, unique(lock="until_executed", expire=60))


def test_the_lock_of_what_is_published_stands_for_that_time(work, sent):
    work.apply_async((1,))
    work.apply_async((2,), countdown=30)
    work.apply_async((3,), expires=20)
    work.app.send_task("work", (4,), {}, 30, None, None, None, None, None, None, 10)

    assert 50 < remaining(work, 1) <= 60
    assert 80 < remaining(work, 2) <= 90
    assert 11 < remaining(work, 3) <= 20
    assert 1 < remaining(work, 4) <= 10
    ends = [message.lock["until"] for message in sent]
    later = [end - ends[0] for end in ends]
    assert later == pytest.approx([0, 30, -40, -50], abs=5)


@pytest.mark.parametrize("expires", [-1, datetime(2020, 1, 1, tzinfo=timezone.utc)])
def test_what_has_expired_is_sent_and_locks_nothing(work, sent, expires):
    for _ in range(2):
        assert not work.apply_async(expires=expires).duplicate

    assert len(sent) == 2
    assert holder(work) is None
