"""What a worker says, and checks, when it starts."""

import logging
from typing import Any

import pytest
from celery.signals import worker_ready
from celery.worker import WorkController
from kombu.asynchronous import set_event_loop

from unique_task import MemoryBackend, UniqueCeleryTask, unique

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def said(app, caplog):
    """Return what a worker of the app says of its locks, level by level."""
    caplog.set_level(logging.INFO, logger="unique_task")

    def said():
        worker = WorkController(app=app, pool="threads", concurrency=1)
        worker_ready.send(sender=worker)  # as it does when it is connected
        records = [r for r in caplog.records if r.name.startswith("unique_task")]
        return [(record.levelname, record.getMessage()) for record in records]

    yield said
    # A worker that is made and never stopped leaves its event loop to the next one.
    set_event_loop(None)


@pytest.fixture
def work(app):
    @app.task
    @unique
    def work():
        raise AssertionError

    return work


def test_a_worker_says_where_its_locks_are(app, said, work):
    app.conf.unique_backend = "redis://:secret@localhost:1/2"

    @app.task
    @unique(backend="redis://elsewhere:1/3")
    def other():
        raise AssertionError

    where, *out_of_order = said()

    assert where == (
        "INFO",
        "locks of 2 unique tasks are in "
        "redis://:**@localhost:1/2, redis://elsewhere:1/3",
    )
    assert [level for level, _ in out_of_order] == ["ERROR", "ERROR"]
    assert not any("secret" in text for _, text in out_of_order)


def test_a_worker_warns_of_locks_in_memory(said, work):
    where, warning = said()

    assert where == ("INFO", "locks of 1 unique tasks are in memory://")
    assert warning[0] == "WARNING"
    assert "within one process" in warning[1] and "set unique_backend" in warning[1]


def test_a_worker_warns_if_the_guards_are_off(app, said, work):
    app.conf.unique_enabled = False

    [(level, text)] = said()

    assert level == "WARNING"
    assert text.startswith("unique_enabled is False: no task is guarded")


def test_a_worker_without_guarded_tasks_says_nothing(app, said):
    app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")

    assert said() == []


def test_a_worker_without_a_store_does_not_start(app, work):
    app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")

    with pytest.raises(SystemExit) as caught:
        WorkController(app=app, pool="threads", concurrency=1)

    assert str(caught.value).startswith("unique_task: no store for the locks")
    assert 'Set unique_backend, as in "redis://localhost/0"' in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("unique_expire", 0),
        ("unique_lock", "while_sleeping"),
        ("unique_on_duplicate", "explode"),
        ("unique_colour", "red"),
    ],
)
def test_a_worker_with_a_wrong_setting_does_not_start(app, work, setting, value):
    app.conf[setting] = value

    with pytest.raises(SystemExit, match=f"unique_task: .*{setting[7:]}"):
        WorkController(app=app, pool="threads", concurrency=1)


def test_a_worker_that_cannot_ask_its_store_does_not_start(app, caplog):
    class Faulty(MemoryBackend):
        def check(self) -> None:
            raise ZeroDivisionError("a bug")

    @app.task
    @unique(backend=Faulty())
    def work():
        raise AssertionError

    with pytest.raises(SystemExit, match="unique_task: ZeroDivisionError: a bug"):
        WorkController(app=app, pool="threads", concurrency=1)
    assert "Traceback" in caplog.text


def test_a_worker_whose_tasks_bring_their_stores_needs_no_other(app, said):
    app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")

    @app.task
    @unique(backend=MemoryBackend())
    def work():
        raise AssertionError

    assert said()[0] == ("INFO", "locks of 1 unique tasks are in memory://")


@pytest.mark.parametrize("how", ["unique(on_duplicate=...)", "unique_options"])
def test_replace_under_a_default_that_cannot_replace_is_told_when_the_task_is_made(
    app, caplog, how
):
    class Base(UniqueCeleryTask):
        unique_options = {"on_duplicate": "replace"}

    def index(document): ...

    def make(name: str) -> Any:
        if how == "unique_options":
            return app.task(base=Base, name=name)(index)
        return app.task(name=name)(unique(on_duplicate="replace")(index))

    make("index by default").name
    app.conf.unique_lock = "until_executing"
    make("index by a setting").name

    [text] = [record.getMessage() for record in caplog.records]
    assert text.startswith("index by default: ") and 'lock="until_executing"' in text


def test_a_worker_says_which_task_makes_no_sense(app):
    @app.task(name="index")
    @unique(on_duplicate="replace")
    def index(document): ...

    with pytest.raises(SystemExit, match='index: on_duplicate="replace" with lock='):
        WorkController(app=app, pool="threads", concurrency=1)
