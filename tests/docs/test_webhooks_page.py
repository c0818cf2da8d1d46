"""The code of ``webhooks.rst`` runs: one message for an event, in each framework."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from celery.contrib.testing.worker import start_worker
from django.test import RequestFactory

from tests.django_settings import configure_django
from tests.docs.test_readme import DOCS, literal_blocks
from tests.published_calls import noted

pytestmark = pytest.mark.any_celery

PAGE = DOCS / "webhooks.rst"

FRAMEWORKS = {"flask", "django", "fastapi"}

#: Posts an event; returns the status of the answer, and what it says.
Post = Callable[[dict[str, Any]], tuple[int, Any]]


@pytest.fixture(scope="module")
def blocks(redis_server) -> dict[str, list[str]]:
    """The code of the page, by what it is for."""
    redis_server.client.flushall()
    server = redis_server.url.removesuffix("0")
    found: dict[str, list[str]] = {}
    for block in literal_blocks(PAGE):
        [kind] = {*FRAMEWORKS, "call"} & set(block["classes"]) or {"task"}
        code = block.astext().replace("redis://localhost/", server)
        found.setdefault(kind, []).append(code)
    return found


@pytest.fixture(scope="module")
def page(blocks) -> Iterator[dict[str, Any]]:
    """What the code defines, and a worker that runs it."""
    names: dict[str, Any] = {"__name__": PAGE.stem}
    for code in blocks["task"]:
        exec(code, names)
    with start_worker(
        names["app"], pool="threads", concurrency=2, perform_ping_check=False
    ):
        yield names
    names["app"].close()


def test_its_calls_do_what_they_assert(page, blocks):
    assert len(blocks["call"]) == 3
    for code in blocks["call"]:
        exec(code, page)


def by_flask(names: dict[str, Any]) -> Post:
    client = names["web"].test_client()

    def post(event: dict[str, Any]) -> tuple[int, Any]:
        answer = client.post("/payments", json=event)
        return answer.status_code, answer.json

    return post


def by_fastapi(names: dict[str, Any]) -> Post:
    async def sent(event: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=names["web"])
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post("http://shop/payments", json=event)

    def post(event: dict[str, Any]) -> tuple[int, Any]:
        answer = asyncio.run(sent(event))
        return answer.status_code, answer.json()

    return post


def by_django(names: dict[str, Any]) -> Post:
    def post(event: dict[str, Any]) -> tuple[int, Any]:
        request = RequestFactory().post(
            "/payments", json.dumps(event), content_type="application/json"
        )
        answer = names["payments"](request)
        return answer.status_code, json.loads(answer.content)

    return post


CLIENTS = {"flask": by_flask, "django": by_django, "fastapi": by_fastapi}


@pytest.mark.parametrize("name", sorted(FRAMEWORKS))
def test_a_view_publishes_an_event_once_and_answers_the_same(page, blocks, name):
    configure_django()
    [code] = blocks[name]
    names = dict(page)
    exec(code, names)
    post, event = CLIENTS[name](names), {"id": uuid4().hex}

    with noted() as sent:
        answers = [post({**event, "attempt": number}) for number in range(3)]

    [message] = sent
    assert answers == [(202, {"task": message.id})] * 3
    assert page["app"].AsyncResult(message.id).get(timeout=30).startswith("booked")
