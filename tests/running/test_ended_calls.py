"""What a child of a worker sends to its parent about a call that has ended."""

import pickle

import pytest
from celery.app.trace import build_tracer
from celery.exceptions import Ignore

from unique_task import unique

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def traced(app):
    """Run calls of a task as a child does, and return what their parent gets."""

    def traced(task, *args):
        own, request = app.tasks[task.name], {"id": "second", "delivery_info": {}}
        trace = build_tracer(own.name, own, app=app)
        return pickle.dumps(trace("second", [*args], {}, request).retval)

    return traced


def test_an_ignored_call_is_reported_without_its_frames(app, gate, traced):
    @app.task
    @unique(key=())
    def work(item):
        gate.hold()

    with gate.holding(work.apply, (1,), task_id="first"):
        sent = traced(work, 2)

    assert len(sent) < 1000
    error = pickle.loads(sent).exception
    assert isinstance(error, Ignore)
    assert str(error) == "duplicate of first"


@pytest.mark.parametrize("kind", [ValueError, Ignore])
def test_what_the_body_raises_is_reported_with_its_frames(app, traced, kind):
    @app.task
    @unique
    def fail(item):
        raise kind(item)

    report = pickle.loads(traced(fail, 1))

    assert report.tb is not None
    assert "raise kind(item)" in report.traceback
