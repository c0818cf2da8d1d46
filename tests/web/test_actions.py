"""Releases and holds: by a form alone, of what was seen, and only if allowed."""

import re
from typing import Any

import pytest

from tests.operating.test_explain import hold
from tests.published_calls import holder, key_of, task_of
from tests.web.conftest import client_of
from tests.web.test_views import text_of
from unique_task import unique

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.any_celery


def form_of(client: Any, path: str) -> dict[str, list[str]]:
    """The hidden fields of the form on a page."""
    found: dict[str, list[str]] = {}
    page = client.get(path).text
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="(.*?)"', page):
        found.setdefault(name, []).append(value)
    return found


def sent(client: Any, path: str, /, **fields: Any) -> Any:
    """Fill in the form of a page and send it; return the page behind it."""
    form = {**form_of(client, path), **fields}
    return client.post(path.partition("?")[0], data=form, follow_redirects=True)


HOLD = {"wanted": "work", "seconds": "10 min", "reason": "migration", "by": "ann"}


def test_a_release_is_shown_first_and_told_afterwards(acting, task):
    hold(task, owner="seen", state="pending")
    path = f"/release?key={key_of(task)}"

    offer = text_of(acting.get(path))
    assert "seen would be released" in offer
    assert holder(task).owner == "seen"
    done = sent(acting, path, by="ann")

    assert holder(task) is None
    assert (done.status_code, done.request.path) == (200, "/lock")
    assert "1 released" in text_of(done)
    assert "1 released" not in text_of(acting.get("/locks"))


def test_who_got_the_lock_since_it_was_shown_keeps_it(app, acting, task):
    token = hold(task, owner="seen", state="pending")
    path = f"/release?key={key_of(task)}"
    form = form_of(acting, path)
    app.conf.unique_backend.release(key_of(task), token)
    hold(task, owner="successor", state="pending")

    done = acting.post("/release", data={**form, "by": "ann"}, follow_redirects=True)

    assert holder(task).owner == "successor"
    assert "nothing was released" in text_of(done)


def test_a_run_loses_its_lock_by_a_tick_alone(acting, task):
    hold(task, owner="run", process="elsewhere/1/2")
    path = f"/release?key={key_of(task)}"

    refused = sent(acting, path, by="ann")
    assert "1 refused; nobody knows whether it lives" in text_of(refused)
    assert holder(task).owner == "run"
    done = sent(acting, path, by="ann", running="on")

    assert "1 released; its run goes on" in text_of(done)
    assert holder(task) is None


def test_of_a_store_that_is_away_nobody_says_that_the_lock_is_free(app, acting, task):
    app.conf.unique_backend = "redis://127.0.0.1:1"
    form = {**form_of(acting, "/hold"), "key": "0" * 32, "token": "seen", "by": "ann"}

    done = text_of(acting.post("/release", data=form, follow_redirects=True))

    assert "nothing was released: not all could be seen; redis://127.0.0.1:1" in done


def test_several_locks_are_chosen_and_released_together(acting, task):
    for item in (1, 2, 3):
        hold(task, item, owner=f"run {item}", state="pending")

    path = f"/release?key={key_of(task, 1)}&key={key_of(task, 2)}"
    done = sent(acting, path, by="ann")

    assert done.request.path == "/locks"
    assert "2 released" in text_of(done)
    assert [bool(holder(task, item)) for item in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize("by", ["", "two\nlines", "x" * 201])
def test_a_name_is_one_line_or_the_form_comes_back(acting, task, by):
    hold(task, owner="seen", state="pending")

    again = sent(acting, f"/release?key={key_of(task)}", by=by)

    assert again.status_code == 400
    assert "must be one line of 1 to 200 letters" in text_of(again)
    assert holder(task).owner == "seen"


@pytest.mark.parametrize(
    "query, said",
    [
        ("key=nix", "nix is no key"),
        ("&".join(["key=" + "0" * 32] * 101), "release 100 at once"),
        ("key=" + "0" * 32, "there is nothing to release"),
        ("", "there is nothing to release"),
    ],
)
def test_what_cannot_be_released_is_said(acting, query, said):
    assert said in text_of(acting.get(f"/release?{query}"))


def test_a_key_is_held_with_a_reason(acting, task):
    done = sent(acting, "/hold", **HOLD, args="[7]")

    record = holder(task, 7)
    assert (record.state, record.by, record.reason) == ("held", "ann", "migration")
    assert f"{key_of(task, 7)} is held by ann for 10 min" in text_of(done)
    assert "held by ann: migration" in text_of(done)


def test_a_key_that_others_hold_is_not_held_and_the_form_keeps_what_was_written(
    acting, task
):
    hold(task, owner="run")

    again = sent(acting, "/hold", **HOLD)

    assert again.status_code == 409
    assert "not held: run holds the key" in text_of(again)
    assert 'value="migration"' in again.text and 'value="10 min"' in again.text


@pytest.mark.parametrize(
    "written, said",
    [
        ({"seconds": "long"}, "for: long is no duration"),
        ({"seconds": "0"}, "must be a number of seconds"),
        ({"reason": ""}, "reason=''"),
        ({"wanted": "nix"}, "nix"),
        ({"args": "7"}, "arguments: 7 is no JSON array"),
        ({"limit": "-1"}, "limit: -1 is no number of holders"),
    ],
)
def test_a_form_that_is_wrong_comes_back_with_the_reason(acting, task, written, said):
    again = sent(acting, "/hold", **{**HOLD, **written})

    assert again.status_code == 400
    assert said in text_of(again)
    assert holder(task) is None


def test_where_it_is_not_allowed_there_is_no_form_and_no_way(app, client, task):
    hold(task, owner="seen", state="pending")
    key = key_of(task)

    for path in ("/locks", f"/lock?wanted={key}"):
        page = client.get(path).text
        assert "Release" not in page and "/hold" not in page
        assert 'method="post"' not in page
    answers = [
        client.get(f"/release?key={key}"),
        client.post("/release", data={"key": key}),
        client.post("/hold", data=HOLD),
    ]
    assert [one.status_code for one in answers] == [403] * 3
    assert "--allow-actions" in text_of(answers[1])
    assert holder(task).owner == "seen"
    assert not any(one.headers.get("Set-Cookie") for one in answers)


@pytest.mark.parametrize("token", [None, "", "forged"])
def test_a_form_of_another_site_does_nothing_and_says_why(acting, task, token):
    hold(task, owner="seen", state="pending")
    form = form_of(acting, f"/release?key={key_of(task)}")
    form["csrf_token"] = [] if token is None else [token]

    refused = acting.post("/release", data={**form, "by": "ann"})

    assert refused.status_code == 400
    assert "Nothing was done" in text_of(refused)
    assert "secret_key" in text_of(refused)
    assert holder(task).owner == "seen"


@pytest.mark.parametrize("key, status", [("shared", 303), (None, 400)])
def test_another_process_takes_a_form_only_with_the_same_secret_key(app, key, status):
    task = task_of(app, unique(lock="until_executed"))
    first, second = (
        client_of(app, allow_actions=True, secret_key=key) for _ in range(2)
    )
    form = form_of(first, "/hold")
    name = first.application.config["SESSION_COOKIE_NAME"]
    cookie = first.get_cookie(name)
    assert cookie
    second.set_cookie(name, cookie.value)

    answer = second.post("/hold", data={**form, **HOLD})

    assert answer.status_code == status
    assert bool(holder(task)) == (key == "shared")
