"""What stands on each page, and what it says where something is wrong or away."""

from html.parser import HTMLParser
from typing import Any

import pytest

from tests.counting.counted import flushed
from tests.operating.test_explain import hold
from tests.published_calls import key_of, task_of
from tests.servers.process import free_port
from tests.web.conftest import client_of
from unique_task import unique
from unique_task.counting import names
from unique_task.counting.tally import count

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.any_celery

#: Markup, quotes, a script, bidi and control characters, and ten thousand letters.
HOSTILE = "<script>alert(1)</script>\"'>javascript:x\u202e\x00\x1b[2J" + "x" * 10_000

PAGES = ["/", "/locks", "/lock", "/call", "/doctor"]


class Text(HTMLParser):
    """The texts of a page, and the names of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append(tag)


def text_of(answer: Any) -> str:
    return Text(answer.text).text


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_there_and_answers_without_a_body_to_head(client, path):
    assert client.get(path).status_code == 200

    head = client.head(path)

    assert (head.status_code, head.data) == (200, b"")


def test_tasks_have_what_was_counted_in_numbers_lines_and_words(app, client):
    count(app.conf.unique_backend, "work", names.RUNS, 2.0)
    count(app.conf.unique_backend, "work", names.duplicates("ignore", "publish"))
    assert flushed()

    page = client.get("/").text

    assert "work 1 0." in text_of(client.get("/"))
    assert "runs: 1 in 60 min, at most 1 in a minute; duplicates: 1 in" in page
    assert page.count("<polyline") == 2
    assert "other" in page and "until_and_while_executing" in page


def test_locks_are_filtered_and_lead_to_one_lock(client, task):
    hold(task, owner="here", worker="w1@mill")
    key = key_of(task)

    shown = client.get("/locks?task=w*&state=running&worker=w1@*&older_than=")

    assert f'href="/lock?wanted={key}"' in shown.text
    assert "No such lock is held" in text_of(client.get("/locks?state=pending"))
    assert "here" in text_of(client.get(f"/lock?wanted={key}"))


def test_one_lock_is_found_by_its_key_a_task_or_a_call(client, task):
    hold(task, 7, owner="here", worker="w1@mill")

    by = [f"wanted={key_of(task, 7)}", "wanted=here", "wanted=work&args=[7]"]
    pages = [text_of(client.get(f"/lock?{query}")) for query in by]

    for page in pages:
        assert "here got the lock: it runs in w1@mill" in page
    free = client.get("/lock?wanted=work&args=[8]")
    assert "The lock is free" in text_of(free)


def test_a_lock_that_nobody_knows_is_not_found(client):
    answer = client.get("/lock?wanted=nobody")

    assert answer.status_code == 404
    assert "No task nobody holds a lock" in text_of(answer)


def test_a_call_is_explained(client, task):
    hold(task, 7, owner="here")

    page = text_of(client.get("/call?wanted=work&args=[7]"))

    assert "made of all parameters: item, note" in page
    assert "waits for here and comes back later" in page


@pytest.mark.parametrize(
    "path, status, said",
    [
        ("/locks?state=gone", 400, "state: there is no gone"),
        ("/locks?page=0", 400, "page: 0 is no number"),
        ("/locks?task=%5B&worker=%5B", 200, "No such lock is held"),
        ("/lock?wanted=work&args=[", 400, "arguments: [ is no JSON"),
        ("/call?wanted=work&args=[1,2,3]", 400, "the arguments do not fit"),
        ('/call?wanted=work&args=[{"__type__":"date","__value__":"x"}]',)
        + (400, "the arguments cannot be sent"),
        ("/call?wanted=nix", 400, "the app has no task 'nix'"),
        ("/nix", 404, "There is no such page"),
        ("/locks?_scheme=javascript&endpoint=x&_external=1", 200, "No such lock"),
    ],
)
def test_what_is_wrong_is_a_page_in_plain_words(client, path, status, said):
    answer = client.get(path)

    assert (answer.status_code, answer.content_type) == (
        status,
        "text/html; charset=utf-8",
    )
    assert said in text_of(answer)
    assert "javascript:" not in answer.text


def test_a_call_of_a_store_that_is_away_is_looked_at_again(app, client):
    app.conf.unique_backend = "redis://127.0.0.1:1"

    answer = client.get("/call?wanted=work")

    fixed, live, looked_at = answer.text.partition('id="live"')
    assert answer.status_code == 503
    assert live and "redis://127.0.0.1:1" in looked_at
    assert 'role="alert"' not in fixed


def test_a_request_of_another_kind_is_refused_with_a_page(client):
    answer = client.delete("/locks")

    assert answer.status_code == 405
    assert "This page takes no such request" in text_of(answer)


def test_text_from_a_store_is_only_text(app, task, client):
    hold(task, owner=HOSTILE, worker=HOSTILE)
    named = task_of(app, unique(key="one"), HOSTILE)
    hold(named, owner="of the task")

    paths = ["/locks", f"/lock?wanted={key_of(task)}", "/", "/call", "/lock?wanted=x"]
    paths += [f"/lock?wanted={key_of(named)}"]
    plain = [Text(client.get(path).text).elements for path in ("/lock", "/call")]
    pages = [client.get(path) for path in paths]

    assert [elements.count("script") for elements in plain] == [1, 1]
    for page in pages:
        parsed = Text(page.text)
        assert parsed.elements.count("script") == 1
        assert "<script>alert" not in page.text
        assert all(c.isprintable() or c == "\n" for c in page.text)
    assert "<script>alert(1)</script>" in text_of(pages[0])
    # The page of one lock has all of it; a table of many has the beginning.
    assert "x" * 10_000 in text_of(pages[1]) and "x" * 99 not in text_of(pages[0])


def test_what_is_asked_for_is_only_text_too(client):
    answer = client.get("/lock", query_string={"wanted": HOSTILE, "args": HOSTILE})

    assert answer.status_code == 400
    assert "<script>alert" not in answer.text


def test_a_store_that_is_away_is_named_and_no_page_breaks(app):
    app.conf.unique_backend = f"redis://127.0.0.1:{free_port()}/0"
    task = task_of(app)
    client = client_of(app)

    for path in ("/", "/locks", f"/lock?wanted={key_of(task)}", "/doctor"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "refused" in text_of(answer)
    assert "work unknown - -" in text_of(client.get("/"))  # not 0
    answer = client.get("/call?wanted=work")
    assert answer.status_code == 503 and "refused" in text_of(answer)
    assert "nobody" not in text_of(client.get("/locks")).lower()
    assert "None was seen." in text_of(client.get("/locks"))
