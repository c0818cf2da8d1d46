"""Who gets in, under which name, and what browsers are told."""

import pytest
from werkzeug.test import Client

from tests.operating.test_explain import hold
from tests.published_calls import holder, key_of
from tests.web.conftest import client_of
from tests.web.test_actions import HOLD, sent
from tests.web.test_views import text_of
from unique_task import ConfigurationError
from unique_task.web import anybody, create_web

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.any_celery

SECRET = "a lóng one"


@pytest.fixture
def guarded(app, task):
    return client_of(app, password=SECRET, allow_actions=True)


def test_it_has_to_be_said_who_may_see_it(app, task):
    for password, who in ((None, None), ("x", anybody)):
        with pytest.raises(ConfigurationError, match="either password= or who="):
            create_web(app, password=password, who=who)
    with pytest.raises(ConfigurationError, match="must be one letter or more"):
        create_web(app, password="")
    for password in ("a\n", "\udcff"):
        with pytest.raises(ConfigurationError, match="must be one line of UTF-8"):
            create_web(app, password=password)


def test_an_app_without_unique_tasks_is_an_error(app):
    with pytest.raises(ConfigurationError, match="no unique tasks"):
        create_web(app, who=anybody)


@pytest.mark.parametrize("path", ["/", "/locks", "/nix", "/static/style.css", "/hold"])
def test_the_password_is_asked_for_before_anything_is_told(guarded, path):
    refused = guarded.get(path)

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    for given in (("ann", "wrong"), ("ann", ""), ("ann", SECRET + "x")):
        assert guarded.get(path, auth=given).status_code == 401
    for header in (f"Bearer {SECRET}", "Basic é", "Basic !", "Basic /w==", "Basic"):
        other = guarded.get(path, headers={"Authorization": header})
        assert other.status_code == 401
    let_in = guarded.get(path, auth=("ann", SECRET), buffered=True)
    assert let_in.status_code != 401


def test_whoever_is_logged_in_is_named_in_what_they_do(guarded, task):
    guarded.environ_base["HTTP_AUTHORIZATION"] = "Basic YW5uOmEgbMOzbmcgb25l"

    sent(guarded, "/hold", **{**HOLD, "by": "somebody else"})

    assert "You are ann" in text_of(guarded.get("/"))
    assert holder(task).by == "ann"


def test_who_asks_the_request_and_may_refuse(app, task):
    client = client_of(app, who=lambda environ: environ.get("REMOTE_USER"))

    refused = client.get("/")
    assert refused.status_code == 403
    assert "you may not see this page" in text_of(refused)
    assert "work" not in refused.text and "memory://" not in refused.text
    let_in = client.get("/", environ_overrides={"REMOTE_USER": "bob"})

    assert let_in.status_code == 200 and "You are bob" in text_of(let_in)


def test_a_name_of_another_site_is_refused(app, task):
    names = ["localhost", "[::1]", ".Example.com"]
    client = client_of(app, trusted_hosts=names)

    for name in ("evil.test", "[::2]", "evilexample.com", "localhost.evil.test", "["):
        refused = client.get("/", headers={"Host": name})
        assert refused.status_code == 400
        assert "not served under that name" in refused.text
        assert "work" not in refused.text
    for name in ("localhost:9809", "LOCALHOST", "[::1]:9809", "locks.example.com"):
        assert client.get("/", headers={"Host": name}).status_code == 200


def test_browsers_are_told_to_trust_nothing_else(client):
    answers = [client.get(path) for path in ("/", "/nix", "/lock?args=[")]

    for answer in answers:
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"
        assert " style=" not in answer.text and "onclick" not in answer.text
    static = client.get("/static/style.css", buffered=True)
    assert static.headers["X-Content-Type-Options"] == "nosniff"


def test_the_cookie_is_for_this_page_alone(acting):
    cookie = acting.get("/hold").headers["Set-Cookie"]

    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert "Path=/;" in cookie and "Secure" not in cookie
    assert cookie.startswith("unique_task_")
    below = Client(acting.application).get(
        "/hold", base_url="https://example.com/ops/locks/"
    )
    assert "Path=/ops/locks;" in below.headers["Set-Cookie"]
    assert "Secure" in below.headers["Set-Cookie"]


def test_over_https_a_form_is_taken_from_this_page_alone(acting, task):
    hold(task, owner="seen", state="pending")
    site = "https://example.com"
    page = acting.get(f"/release?key={key_of(task)}", base_url=site).text
    fields = {
        "csrf_token": page.partition('name="csrf_token" value="')[2].partition('"')[0],
        "key": key_of(task),
        "token": page.partition('name="token" value="')[2].partition('"')[0],
        "by": "ann",
    }

    def post(referrer: str) -> int:
        headers = {"Referer": referrer}
        answer = acting.post("/release", data=fields, base_url=site, headers=headers)
        return int(answer.status_code)

    assert post("https://evil.test/") == 400
    assert holder(task).owner == "seen"
    assert post(f"{site}/release") == 303
    assert holder(task) is None
