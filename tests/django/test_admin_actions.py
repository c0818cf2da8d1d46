"""Releasing and holding in Django's admin: who may, what is asked, what is noted."""

import re

import pytest

from tests.django.conftest import IMPORT, SEND
from tests.django.site import LOCKS, OPS, User
from unique_task.backends.base import Backend
from unique_task.leases.process import this_process

pytestmark = pytest.mark.any_celery

KEY, OTHER = "ab" * 16, "cd" * 16


def owners(backend: Backend, key: str = KEY) -> set[str]:
    return {held.record.owner for held in backend.holders(key)}


def chosen(user: User, owner: str) -> list[str]:
    """The boxes of one owner in the list; each names a key and a token."""
    return [value for value in user.selections(OPS) if owner in value]


def confirmed(user: User, boxes: list[str], **more: str) -> str:
    """Choose what to release, and confirm it on the page that asks."""
    asked = user.post(OPS, action="release", _selected_action=boxes)
    assert "Are you sure" in asked
    return user.post(f"{OPS}release/", _selected_action=boxes, post="yes", **more)


# Releasing


def test_what_would_be_released_is_shown_first(ann, hold, backend, dead):
    hold(KEY, "died", worker="w", process=dead)

    text = ann.post(OPS, action="release", _selected_action=chosen(ann, "died"))

    assert "Are you sure you want to release these locks?" in text
    assert f"{SEND} would be released dead: " in text
    assert "Release also what runs" not in text
    assert owners(backend) == {"died"}


def test_a_confirmed_release_is_done_and_noted(ann, hold, backend, dead):
    hold(KEY, "died", worker="w", process=dead)

    text = confirmed(ann, chosen(ann, "died"))

    assert text.startswith("Locks: 1 released.") and "No lock is held." in text
    assert owners(backend) == set()
    history = ann.get(f"{OPS}{KEY}/history/")
    assert re.search(rf"ann Released from died, {SEND} ", history)
    assert f"{KEY}" in ann.get("/admin/")


def test_a_run_is_released_only_with_a_tick_and_hears_by_whom(ann, hold, backend):
    token = hold(KEY, "lives", worker="w", process=this_process())
    boxes = chosen(ann, "lives")

    asked = ann.post(OPS, action="release", _selected_action=boxes)
    refused = confirmed(ann, boxes)

    assert "Release also what runs, or may run." in asked
    assert refused.startswith("Locks: 1 refused.") and "its process lives" in refused
    assert owners(backend) == {"lives"}

    assert confirmed(ann, boxes, running="on").startswith("Locks: 1 released.")
    assert owners(backend) == set()
    assert backend.released_by(KEY, token) == "ann"


def test_of_several_holders_the_chosen_one_is_released(ann, hold, backend, dead):
    for owner in ("a-died", "b-died"):
        hold(KEY, owner, worker="w", process=dead, limit=2)

    boxes = chosen(ann, "a-died")
    asked = ann.post(OPS, action="release", _selected_action=boxes)
    confirmed(ann, boxes)

    assert "a-died" in asked and "b-died" not in asked
    assert owners(backend) == {"b-died"}


def test_a_lock_that_has_changed_hands_meanwhile_is_kept(ann, hold, backend, dead):
    token = hold(KEY, "died", worker="w", process=dead)
    boxes = chosen(ann, "died")
    backend.release(KEY, token)
    hold(KEY, "successor", worker="w", process=dead)

    text = ann.post(f"{OPS}release/", _selected_action=boxes, post="yes")

    assert "nobody holds the lock" in text
    assert owners(backend) == {"successor"}


def test_locks_of_several_keys_are_released_at_once(ann, hold, backend, dead):
    hold(KEY, "died", worker="w", process=dead)
    hold(OTHER, "sent", IMPORT, state="pending")

    text = confirmed(ann, chosen(ann, "died") + chosen(ann, "sent"))

    assert text.startswith("Locks: 2 released.")
    assert not owners(backend) and not owners(backend, OTHER)


def test_the_page_of_a_lock_leads_to_its_release(ann, hold, backend):
    hold(KEY, "hold-1", state="held", by="cat", reason="migration")

    page = ann.client.get(f"{OPS}{KEY}/change/").text
    [link] = re.findall(r'href="([^"]*release/[^"]*)"', page)

    assert "held by cat: migration" in ann.get(link)
    boxes = ann.selections(link)
    ann.post(f"{OPS}release/", _selected_action=boxes, post="yes")
    assert owners(backend) == set()


@pytest.mark.parametrize(
    "boxes, told",
    [
        ([], "No lock is selected."),
        (["nonsense", "[1", "{}", '["a", "b", "c"]'], "No lock is selected."),
        (['["no key", "token"]'], "no key is no key of a lock"),
        ([f'["{OTHER}", "token"]'], "Nobody holds this lock."),
    ],
    ids=["nothing", "nonsense", "no key", "free"],
)
def test_what_cannot_be_released_is_told(ann, redis_url, boxes, told):
    assert told in ann.post(OPS, action="release", _selected_action=boxes)


# Holding


def test_a_key_is_held_and_noted(ann, backend, redis_url):
    text = ann.post(
        f"{OPS}hold/",
        **{"wanted": KEY, "seconds": "5 min", "reason": "migration", "post": "yes"},
    )

    assert text.startswith("Held for 5 min: migration.")
    [held] = backend.holders(KEY)
    assert (held.record.by, held.record.reason) == ("ann", "migration")
    assert 290 < held.remaining <= 300
    assert "ann Held for 5 min: migration" in ann.get(f"{OPS}{KEY}/history/")


def test_the_key_of_a_call_is_held_by_the_page_that_explains_it(ann, backend):
    call = {"wanted": SEND, "args": "[7]", "kwargs": ""}
    explained = ann.post(f"{OPS}call/", **call)
    asked = ann.client.get(f"{OPS}hold/", params=call).text
    ann.post(f"{OPS}hold/", **call, seconds="60", reason="migration", post="yes")

    assert "At publish sent: it takes the lock" in explained
    [key] = re.findall(r"Key ([0-9a-f]{32})", explained)
    assert 'value="[7]"' in asked and f'value="{SEND}"' in asked
    assert len(owners(backend, key)) == 1
    after = ann.post(f"{OPS}call/", **call)
    assert "held by ann: migration" in after and "At publish sent" in after


def test_a_key_that_others_hold_is_not_held(ann, hold, backend):
    hold(KEY, "lives", process=this_process())

    text = ann.post(
        f"{OPS}hold/",
        **{"wanted": KEY, "seconds": "60", "reason": "migration", "post": "yes"},
    )

    assert f"Not held: lives holds {KEY}. Release it first, or wait." in text
    assert owners(backend) == {"lives"}


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"seconds": "soon"}, "for: soon is no duration"),
        ({"reason": ""}, "This field is required."),
        ({"reason": "x" * 201}, "must be one line of 1 to 200 letters"),
        ({"wanted": "no.task"}, "the app has no task 'no.task'"),
        ({"wanted": SEND, "args": "[7"}, "arguments: [7 is no JSON"),
        ({"wanted": SEND, "args": "[1, 2, 3]"}, "the arguments do not fit"),
        ({"limit": "many"}, "limit: many is no number of holders"),
        ({"store": "elsewhere"}, "in which store is that key?"),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, dict) else "",
)
def test_a_hold_that_cannot_be_is_told(ann, backend, fields, told):
    right = {"wanted": KEY, "seconds": "60", "reason": "migration", "post": "yes"}

    text = ann.post(f"{OPS}hold/", **{**right, **fields})

    assert told in text and "Please correct the error below." in text
    assert owners(backend) == set()


def test_a_call_that_does_not_fit_is_told(ann, redis_url):
    told = ann.post(f"{OPS}call/", wanted=SEND, args="[1, 2, 3]")
    assert "the arguments do not fit" in told
    told = ann.post(f"{OPS}call/", wanted=SEND, kwargs='["order_id"]')
    assert "is no JSON object" in told


# Who may


def test_who_may_only_look_sees_no_action(bob, hold, dead):
    hold(KEY, "died", worker="w", process=dead)

    page = bob.client.get(OPS).text

    assert "died" in page and "_selected_action" not in page
    assert "Hold a key" not in page and "Release" not in page
    assert "Release" not in bob.get(f"{OPS}{KEY}/change/")


@pytest.mark.parametrize("path", [OPS, f"{OPS}release/", f"{OPS}hold/"])
def test_who_may_only_look_changes_nothing(ann, bob, hold, backend, dead, path):
    hold(KEY, "died", worker="w", process=dead)
    boxes = chosen(ann, "died")

    fields = {"wanted": OTHER, "seconds": "60", "reason": "none"}
    response = bob.send(
        path, action="release", _selected_action=boxes, post="yes", **fields
    )

    assert response.status_code == 403
    assert owners(backend) == {"died"} and not owners(backend, OTHER)


PAGES = (
    "",
    "counters/",
    "call/",
    "hold/",
    "release/",
    f"{KEY}/change/",
    f"{KEY}/history/",
)


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.split("/")[-2:][0] or "list"
)
def test_who_may_not_look_sees_nothing(eve, redis_url, page):
    assert eve.client.get(f"{LOCKS}{page}").status_code == 403
    assert "unique_task" not in eve.client.get("/admin/").text


def test_who_has_not_logged_in_is_asked_to(site):
    response = User(site, "nobody").client.get(LOCKS)

    assert response.url.path == "/admin/login/"


def test_a_form_of_another_site_is_refused(ann, hold, backend, dead):
    hold(KEY, "died", worker="w", process=dead)
    fields = {"_selected_action": chosen(ann, "died"), "post": "yes"}

    for path in ("release/", "hold/", "call/"):
        assert ann.client.post(f"{OPS}{path}", data=fields).status_code == 403
    assert owners(backend) == {"died"}


def test_nobody_adds_changes_or_deletes_a_lock(ann, redis_url):
    assert ann.client.get(f"{LOCKS}add/").status_code == 404
    assert ann.client.get(f"{LOCKS}{KEY}/delete/").status_code == 404
    assert "/admin/unique_task/lock/add/" not in ann.client.get("/admin/").text
