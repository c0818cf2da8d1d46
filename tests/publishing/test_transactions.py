"""Nothing is locked or sent before a commit, or after a rollback."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import celery
import pytest
from django.db import connection, transaction
from docutils.core import publish_doctree
from docutils.nodes import literal_block
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tests.django_settings import configure_django
from tests.published_calls import holder, store_of

pytest_plugins = "tests.inprocess_fixtures"

PAGE = Path(__file__).parents[2] / "docs" / "transactions.rst"

ON_COMMIT = pytest.mark.skipif(
    tuple(map(int, re.findall(r"\d+", celery.__version__)[:2])) < (5, 4),
    reason=f"Celery {celery.__version__} has no delay_on_commit",
)


def blocks(kind: str | None = None) -> list[str]:
    """Return the code of the page that is for Django, for SQLAlchemy, or for both."""
    page = publish_doctree(PAGE.read_text(), settings_overrides={"halt_level": 2})
    code = [block for block in page.findall(literal_block)]
    kinds = {"django", "sqlalchemy"}
    wanted = {kind} if kind else set()
    return [b.astext() for b in code if kinds & set(b["classes"]) == wanted]


@pytest.fixture(scope="module", autouse=True)
def configured() -> None:
    """Django with a database in memory."""
    configure_django()


@pytest.fixture
def page(own_shared_tasks: None, app: Any) -> dict[str, Any]:
    """What the page's code defines, for an app as Celery makes it for Django."""
    app.set_current()
    app.task_cls = base_of_django() or app.task_cls
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks():
        run(block, names)
    return names


def base_of_django() -> Any:
    try:
        from celery.contrib.django.task import DjangoTask
    except ImportError:
        return None
    return DjangoTask


def run(block: str, names: dict[str, Any]) -> None:
    exec(compile(dedent(block), str(PAGE), "exec"), names)


@pytest.fixture
def by_django(page: dict[str, Any]) -> dict[str, Any]:
    for block in blocks("django"):
        run(block, page)
    return page


@pytest.fixture
def by_session(page: dict[str, Any]) -> dict[str, Any]:
    for block in blocks("sqlalchemy"):
        run(block, page)
    return page


def test_the_page_has_code_for_each():
    assert [len(blocks(kind)) for kind in (None, "django", "sqlalchemy")] == [1, 2, 2]


PLACES = [pytest.param("place", marks=ON_COMMIT), "place_again"]


@pytest.mark.parametrize("place", PLACES)
def test_django_publishes_after_the_commit(by_django, sent, place):
    charge = by_django["charge"]
    with transaction.atomic():
        by_django[place](7)
        assert (len(sent), holder(charge, 7)) == (0, None)

    assert len(sent) == 1
    assert holder(charge, 7).owner == sent.last.id


@pytest.mark.parametrize("place", PLACES)
def test_django_publishes_nothing_after_a_rollback(by_django, sent, place):
    with pytest.raises(ValueError):
        by_django[place](7, fails=True)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        by_django[place](8)
        raise ZeroDivisionError

    assert not sent
    assert not list(store_of(by_django["charge"].app)._cells)


@pytest.mark.parametrize("place", PLACES)
def test_django_publishes_one_of_what_was_triggered_twice(by_django, sent, place):
    with transaction.atomic():
        by_django[place](7)
        by_django[place](7)
    by_django[place](7)

    assert len(sent) == 1


@ON_COMMIT
def test_outside_of_a_transaction_it_is_published_at_once(by_django, sent):
    assert connection.get_autocommit()

    by_django["charge"].delay_on_commit(7)
    by_django["charge"].apply_async_on_commit((8,), countdown=5)

    assert len(sent) == 2
    assert holder(by_django["charge"], 8).owner == sent.last.id


@ON_COMMIT
def test_what_a_call_says_is_heard_at_the_commit(by_django, sent):
    with transaction.atomic():
        by_django["charge"].apply_async_on_commit((7,), unique_key="mine")
        by_django["charge"].apply_async_on_commit((8,), unique_key="mine")

    assert [message.lock["own_key"] for message in sent] == [True]


@pytest.fixture
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


def test_sqlalchemy_publishes_after_the_commit(by_session, engine, sent):
    charge, publishing = by_session["charge"], by_session["publishing"]
    with Session(engine) as session:
        with publishing(session) as publish:
            publish(charge, 7)
            session.flush()
            assert (len(sent), holder(charge, 7)) == (0, None)

        assert holder(charge, 7).owner == sent.last.id
        assert not session.in_transaction()


def test_sqlalchemy_publishes_nothing_after_a_rollback(by_session, engine, sent):
    with pytest.raises(ValueError):
        by_session["place_by_session"](engine, 7, fails=True)

    assert not sent
    assert not list(store_of(by_session["charge"].app)._cells)


def test_a_session_that_goes_on_after_a_rollback_publishes_what_came_later(
    by_session, engine, sent
):
    charge, publishing = by_session["charge"], by_session["publishing"]
    with Session(engine) as session:
        with suppress(ValueError), publishing(session) as publish:
            publish(charge, 7)
            raise ValueError
        with publishing(session) as publish:
            publish(charge, 8)

    assert len(sent) == 1
    assert holder(charge, 7) is None
    assert holder(charge, 8).owner == sent.last.id


def test_sqlalchemy_publishes_one_of_what_was_triggered_twice(by_session, engine, sent):
    for _ in range(2):
        by_session["place_by_session"](engine, 7)

    assert len(sent) == 1
