"""The list of locks in Django's admin: what it shows, its filters, its search."""

import re

import pytest

from tests.django.conftest import IMPORT, SEND
from tests.django.site import OPS
from unique_task.leases.process import this_process

pytestmark = pytest.mark.any_celery

KEYS = [f"{number:02x}" * 16 for number in range(1, 9)]


@pytest.fixture
def five(hold, dead):
    """A lock of each state, and of each verdict."""
    hold(KEYS[0], "sent", state="pending")
    hold(KEYS[1], "lives", IMPORT, worker="one@shop", process=this_process())
    hold(KEYS[2], "died", IMPORT, worker="two@shop", process=dead)
    hold(KEYS[3], "in-place", state="called", process="elsewhere/1/2")
    hold(KEYS[4], "hold-1", state="held", by="cat", reason="migration")


def owners(text: str) -> set[str]:
    """The owners that are on a page."""
    every = ("sent", "lives", "died", "in-place", "hold-1")
    return {owner for owner in every if re.search(rf" {owner} [0-9a-f]{{32}}", text)}


def test_each_lock_is_a_row(ann, store, five):
    text = ann.get(OPS)

    for row in (
        rf"{SEND} pending unknown [\d.]+ s ago [\d.]+ s - sent {KEYS[0]}",
        rf"{IMPORT} running alive [\d.]+ s ago [\d.]+ s one@shop lives {KEYS[1]}",
        rf"{IMPORT} running dead [\d.]+ s ago [\d.]+ s two@shop died {KEYS[2]}",
        rf"{SEND} called unknown [\d.]+ s ago [\d.]+ s - in-place {KEYS[3]}",
        rf"{SEND} held by cat: migration alive [\d.]+ s ago [\d.]+ s - hold-1 ",
    ):
        assert re.search(row, text), (row, text)
    assert f"redis://127.0.0.1:{store.port}/0" in text


def test_nothing_held_is_told(ann, redis_url):
    assert "No lock is held." in ann.get(OPS)


@pytest.mark.parametrize(
    "query, found",
    [
        ({"state": "running"}, {"lives", "died"}),
        ({"verdict": "dead"}, {"died"}),
        ({"task": IMPORT}, {"lives", "died"}),
        ({"worker": "two@shop"}, {"died"}),
        ({"task": "*mail*", "state": "called"}, {"in-place"}),
        ({"older_than": "1 h"}, set()),
        ({"q": "*import_orders"}, {"lives", "died"}),
        ({"q": SEND}, {"sent", "in-place", "hold-1"}),
        ({"q": "died"}, {"died"}),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_filter_or_a_search_shows_what_fits(ann, five, query, found):
    text = ann.get(OPS, **query)

    assert owners(text) == found
    assert ("None fits." in text) == (not found)


def test_the_filters_beside_the_list_lead_to_what_they_say(ann, five):
    page = ann.client.get(OPS, params={"state": "running"}).text
    links = dict(re.findall(r'<a href="(\?[^"]*)">([^<]*)</a></li>', page))
    [dead] = [link for link, display in links.items() if display == "dead"]

    text = ann.get(f"{OPS}{dead.replace('&amp;', '&')}")

    assert owners(text) == {"died"}
    assert {"one@shop", "two@shop", SEND, "at least 1 h"} <= set(links.values())


def test_a_search_for_a_key_leads_to_its_page(ann, five):
    response = ann.client.get(OPS, params={"q": KEYS[2]})

    assert response.url.path == f"{OPS}{KEYS[2]}/change/"


def test_a_search_that_finds_nothing_says_so(ann, five):
    assert "There is no key, task or owner nobody." in ann.get(OPS, q="nobody")


@pytest.mark.parametrize(
    "query, what",
    [({"state": "asleep"}, "asleep"), ({"page": "0"}, "0"), ({"older_than": "x"}, "x")],
    ids=["state", "page", "age"],
)
def test_a_filter_that_is_not_allowed_is_told(ann, five, query, what):
    assert re.search(
        rf": (there is no )?{what}( is no |; there are)", ann.get(OPS, **query)
    )


def test_a_hostile_name_is_a_text(ann, hold):
    name = "<script>alert(1)</script>'\"\u202e\x1b[2J{{ 7 }}"
    hold(KEYS[0], name, name, worker=name)

    page = ann.client.get(OPS).text

    assert "<script>alert" not in page
    assert "\x1b" not in page and "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    assert "{{ 7 }}" in page


def test_a_page_of_many_locks_reads_few_of_them(ann, hold, store, redis_server):
    hold(KEYS[0])
    [name] = redis_server.client.scan_iter(f"*{KEYS[0]}*")
    with redis_server.client.pipeline() as several:
        for number in range(1, 10_000):
            several.copy(name, name.replace(KEYS[0], f"{number:032x}"))
        several.execute()
    before = store.requests

    page = ann.client.get(OPS).text

    # Fewer than it has rows; to read all locks, it would be 10 times as many.
    assert store.requests - before < 50
    assert page.count('class="action-select"') == 50
    assert 'href="?page=2"' in page
    assert not set(ann.selections(OPS, page="2")) & set(ann.selections(OPS))


def test_a_store_that_is_away_is_told_until_it_is_back(ann, five, store):
    store.cut()
    try:
        for path in (OPS, f"{OPS}{KEYS[0]}/change/", f"{OPS}counters/"):
            assert f"redis://127.0.0.1:{store.port}/0" in ann.get(path)
        told = ann.post(f"{OPS}call/", wanted=SEND, args="[1]", post="yes")
        assert "redis" in told and "At publish" not in told
    finally:
        store.restore()

    assert owners(ann.get(OPS)) == {"sent", "lives", "died", "in-place", "hold-1"}
