"""A call whose key is held is published to wait: its worker may start it early."""

import pytest

from tests.published_calls import key_of, store_of, task_of
from unique_task import retry, unique
from unique_task.backends.record import Record, Token
from unique_task.messages.waits_for import WaitsFor

pytest_plugins = "tests.inprocess_fixtures"

RUNS = Record(Token.of_attempt("runs"), worker="one@host")


@pytest.fixture
def work(app):
    """A task whose key is held by a run."""
    policy = retry(countdown=20, maximum=50)
    work = task_of(app, unique(lock="until_executed", on_duplicate=policy))
    store_of(app).acquire(key_of(work), RUNS, 100)
    return work


def test_the_message_says_what_it_waits_for(work, sent):
    work.delay()

    waits_for = WaitsFor.in_message(sent.last.headers)
    assert waits_for == WaitsFor(
        key_of(work), holders=(("runs", "one@host"),), patience=50
    )


@pytest.mark.parametrize("options", [{"countdown": 5}, {"countdown": 30}], ids=str)
def test_a_call_with_a_countdown_of_its_own_does_not_start_before_that(
    work, sent, options
):
    work.apply_async(**options)

    assert WaitsFor.in_message(sent.last.headers) is None
