"""The pictures show what workers do: what was measured is true of a new run, too."""

import html
import re
from itertools import pairwise

import pytest

from tests.docs.pictures import FOLDER, pictures
from tests.docs.pictures.crash import Crash, Plan
from tests.docs.pictures.measured import Lengths, Measured, load, measure
from tests.docs.pictures.timelines import timelines
from tests.docs.test_links import SITE
from tests.docs.test_readme import DOCS, README

pytestmark = [pytest.mark.any_celery, pytest.mark.worker]

#: What waits for the end of a lease has a short one, but has to meet it before that;
#: the others must not see an end.
SHORT = Lengths(
    elsewhere=Plan(lease=6, renewals=0, step=0.1, pause=0.1),
    here=Plan(lease=600, renewals=0, step=0.1, pause=0.1),
    run=0.1,
    quiet=1,
    # A call that runs sooner was started by the end of a run.
    pause=60,
    poll=0.1,
)


@pytest.fixture(scope="module")
def new(redis_server, tmp_path_factory) -> Measured:
    redis_server.client.flushall()
    return measure(tmp_path_factory.mktemp("pictures"), redis_server.url, SHORT)


@pytest.fixture(params=["drawn", "new"])
def measured(request: pytest.FixtureRequest) -> Measured:
    return load() if request.param == "drawn" else request.getfixturevalue("new")


def test_the_pictures_are_those_that_a_worker_makes():
    made = pictures(timelines(), load())

    assert made.keys() == set(FOLDER.glob("*.svg"))
    for path, picture in made.items():
        assert path.read_text() == picture, "it has changed: run `make pictures`"


def test_a_page_shows_each_picture_and_says_what_is_on_it():
    pages = [README, *DOCS.glob("*.rst")]
    text = " ".join(" ".join(page.read_text().split()) for page in pages)
    text = text.replace(f"{SITE}_static/", "pictures/")

    for path in FOLDER.glob("*.svg"):
        [said] = re.findall('aria-label="(.*?)"', path.read_text())
        shown = f".. image:: pictures/{path.name} :alt: {html.unescape(said)}"
        assert text.count(shown) == 1, shown


def is_killed_while_it_runs(crash: Crash) -> bool:
    return crash.begins < crash.killed < crash.sent < crash.runs[0]


def test_elsewhere_a_call_runs_when_the_lease_of_the_dead_has_ended(measured):
    crash = measured.elsewhere

    assert is_killed_while_it_runs(crash)
    assert max(seconds for _, seconds in crash.left) <= crash.lease
    assert crash.killed < crash.lease_ends <= crash.killed + crash.lease
    assert crash.asks and crash.asks[0] < crash.lease_ends <= crash.runs[0]


def test_on_the_same_machine_a_call_takes_the_lock_of_the_dead(measured):
    crash = measured.here

    assert is_killed_while_it_runs(crash)
    assert not crash.asks
    assert crash.runs[0] < crash.lease_ends


def test_of_a_burst_only_the_last_call_runs_and_not_before_its_time(measured):
    burst = measured.burst
    last = len(burst.sent) - 1

    [(call, began)] = burst.began
    assert call == last
    assert began >= burst.sent[last] + burst.quiet
    assert max(burst.sent) < min(burst.left)


def test_calls_of_a_hot_key_run_one_at_a_time_in_the_order_in_which_they_came(measured):
    turns = measured.hot_key

    assert {turn.worker for turn in turns} == {"mill", "barn"}
    for turn, after in pairwise(turns):
        assert turn.sent < after.sent
        assert after.asks[0] < turns[0].runs[1] <= turn.runs[1] <= after.runs[0]


def test_calls_that_come_back_by_themselves_run_one_at_a_time(measured):
    runs = sorted(turn.runs for turn in measured.polling)

    assert len(runs) == len(measured.hot_key)
    assert all(one[1] <= after[0] for one, after in pairwise(runs))
