"""``@unique`` guards a task however and whenever Celery makes it."""

from pathlib import Path
from typing import Any

import pytest
from celery import shared_task
from celery.local import PromiseProxy, Proxy

from tests.inprocess import make_app
from tests.programs import run_python
from unique_task import skip, unique

pytest_plugins = "tests.inprocess_fixtures"

ALONE = unique(on_duplicate=skip("turned away"))


@pytest.fixture
def work(gate):
    """A function that waits at the gate."""

    def work(item=1):
        gate.hold()
        return "ran"

    return work


@pytest.fixture
def is_guarded(gate):
    """Tell whether a task turns a duplicate away."""

    def is_guarded(task):
        with gate.holding(task) as first:
            answer = task()
        return [first.result(), answer] == ["ran", "turned away"]

    return is_guarded


@pytest.mark.parametrize(
    "decorate",
    [lambda app, f: ALONE(app.task(f)), lambda app, f: app.task(ALONE(f))],
    ids=["outer", "inner"],
)
def test_decoration_makes_no_task_and_finalizes_no_app(app, work, decorate):
    task = decorate(app, work)

    assert type(task) is PromiseProxy
    assert not task.__evaluated__()
    assert not app.finalized
    assert not app.configured


def test_decoration_of_a_shared_task_looks_no_app_up(app, work):
    task: Any = ALONE(shared_task(work))

    assert type(task) is Proxy
    assert not app.finalized


SHARED = """
from celery import _state, shared_task
from unique_task import unique

@unique
@shared_task
def outer(): pass

@shared_task
@unique
def inner(): pass

assert _state.default_app is None, _state.default_app
assert not list(_state._get_active_apps())
"""


def test_decoration_of_a_shared_task_makes_no_fallback_app():
    root = Path(__file__).parents[2]

    run_python(SHARED, options=("-W", "error"), cwd=root, check=True)


MAKERS = {
    "lazy": lambda app, f: ALONE(app.task(f)),
    "with options": lambda app, f: ALONE(app.task(name="named", acks_late=True)(f)),
    "lazy=False": lambda app, f: ALONE(app.task(lazy=False)(f)),
    "not shared": lambda app, f: ALONE(app.task(shared=False)(f)),
    "autoretry": lambda app, f: ALONE(app.task(autoretry_for=(KeyError,))(f)),
    "late autoretry": lambda app, f: ALONE(
        app.task(lazy=False, autoretry_for=(KeyError,))(f)
    ),
    "inner": lambda app, f: app.task(ALONE(f)),
    "inner, lazy=False": lambda app, f: app.task(lazy=False)(ALONE(f)),
    "inner, autoretry": lambda app, f: app.task(autoretry_for=(KeyError,))(ALONE(f)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("finalized", [False, True], ids=["lazy app", "finalized app"])
def test_a_task_is_guarded_however_it_is_made(app, work, is_guarded, make, finalized):
    if finalized:
        app.finalize()

    assert is_guarded(make(app, work))


def test_a_bound_task_is_guarded_from_outside(app, gate, is_guarded):
    @ALONE
    @app.task(bind=True)
    def work(self):
        assert self.name == work.name
        gate.hold()
        return "ran"

    assert is_guarded(work)


def test_a_task_that_exists_already_is_guarded_from_then_on(app, work, is_guarded):
    task = app.task(work)
    app.finalize()
    before = app.tasks[task.name]

    assert ALONE(task) is task
    assert is_guarded(before)


def test_a_producer_that_never_finalizes_its_app_has_guarded_tasks(
    app, work, is_guarded
):
    task = ALONE(app.task(work))

    assert is_guarded(task)
    assert not app.finalized


@pytest.mark.parametrize(
    "share",
    [lambda f: ALONE(shared_task(f)), lambda f: shared_task(ALONE(f))],
    ids=["outer", "inner"],
)
def test_a_shared_task_is_guarded_in_every_app(app, work, is_guarded, share):
    with make_app() as finalized, make_app() as lazy:
        finalized.finalize()
        share(work)
        with make_app() as later:
            name = f"{__name__}.work"

            assert is_guarded(finalized.tasks[name])
            assert is_guarded(lazy.tasks[name])
            assert is_guarded(later.tasks[name])


@pytest.mark.parametrize(
    "make",
    [lambda app, f: ALONE(app.task(f)), lambda app, f: app.task(ALONE(f))],
    ids=["outer", "inner"],
)
def test_the_copies_that_other_apps_get_of_a_task_are_guarded(
    app, work, is_guarded, make
):
    with make_app() as before:
        task = make(app, work)
        with make_app() as after:
            assert is_guarded(before.tasks[task.name])
            assert is_guarded(after.tasks[task.name])
            assert is_guarded(task)


def test_the_same_function_without_the_guard_is_left_alone(app, gate):
    def plain():
        gate.hold()

    ALONE(app.task(lambda: None, name="other"))
    task = app.task(plain)

    with gate.holding(task), gate.holding(task):
        pass


def around(run):
    """A ``@run`` annotation."""

    def annotated(*args, **kwargs):
        return ["around", run(*args, **kwargs)]

    return annotated


@pytest.mark.parametrize(
    "make",
    [lambda task, f: ALONE(task(f)), lambda task, f: task(ALONE(f))],
    ids=["outer", "inner"],
)
def test_an_annotation_around_run_does_not_take_the_guard_off(app, gate, make):
    app.conf.task_annotations = {"*": {"@run": around, "rate_limit": "10/s"}}

    def work(self):
        gate.hold()
        return "ran"

    task = make(app.task(bind=True), work)

    with gate.holding(task) as first:
        second = task()
    assert "turned away" in second
    assert first.result() == ["around", "ran"]
    assert task.rate_limit == "10/s"


def test_an_annotated_rate_limit_leaves_the_guard(app, work, is_guarded):
    app.conf.task_annotations = {"*": {"rate_limit": "10/s"}}
    task = app.task(ALONE(work))

    assert is_guarded(task)
    assert task.rate_limit == "10/s"
