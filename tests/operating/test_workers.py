"""Workers are asked again and again without waiting the whole time again and again."""

import time

import pytest

from unique_task.operating.workers import Workers

pytest_plugins = "tests.inprocess_fixtures"

TIMEOUT = 2.0


def test_a_later_question_ends_when_all_have_answered(worker, worker_app):
    workers = Workers(worker_app, TIMEOUT)
    [(first, _)] = workers.ask("ping").replies
    began = time.monotonic()

    [(second, _)] = workers.ask("ping").replies

    assert first == second == worker.hostname
    assert time.monotonic() - began < TIMEOUT


@pytest.mark.parametrize("timeout", [0, 0.1])
def test_where_nobody_answers_nobody_is_asked_again(app, timeout):
    app.conf.control_exchange = app.main  # the broker in memory is one for all apps
    workers = Workers(app, timeout)
    answers = workers.ask("ping")

    assert answers.missing is not None
    assert workers.ask("ping") is answers


def test_a_worker_that_has_gone_is_missing_only_once(worker, worker_app, monkeypatch):
    """After two have answered and one has gone, the next waits, and those after not."""
    workers = Workers(worker_app, TIMEOUT)
    monkeypatch.setattr(workers, "_count", 2)
    workers.ask("ping")
    began = time.monotonic()

    assert len(workers.ask("ping").replies) == 1
    assert time.monotonic() - began < TIMEOUT
