"""``@unique`` on tasks that are classes, and on tasks with a base class."""

from copy import copy
from inspect import signature

import pytest
from celery import Task

from unique_task import ConfigurationError, skip, unique

pytest_plugins = "tests.inprocess_fixtures"

ALONE = unique(on_duplicate=skip("turned away"))


@pytest.fixture
def is_guarded(gate):
    """Tell whether a task turns a duplicate away."""

    def is_guarded(task):
        with gate.holding(task, 1) as first:
            answer = task(1)
        return [first.result(), answer] == ["ran", "turned away"]

    return is_guarded


@pytest.fixture
def work_class(gate):
    """A task class whose run() has the guard."""

    class Work(Task):
        name = "work"

        @ALONE
        def run(self, item):
            gate.hold()
            return "ran"

    return Work


def test_a_decorated_run_method_is_guarded(app, work_class, is_guarded):
    assert is_guarded(app.register_task(work_class()))


def test_with_autoretry_a_decorated_run_method_is_guarded(app, work_class, is_guarded):
    work_class.autoretry_for = (KeyError,)

    assert is_guarded(app.register_task(work_class()))


def test_a_run_method_never_sees_self_in_its_key(app, gate):
    class Work(Task):
        name = "work"

        @unique(key=lambda item, note: item, on_duplicate=skip("turned away"))
        def run(self, item, note):
            gate.hold()

    work = app.register_task(Work())

    with gate.holding(work, 1, "a"):
        assert work(1, "b") == "turned away"


def test_a_registered_task_is_guarded_from_then_on(app, gate, is_guarded):
    class Work(Task):
        name = "work"
        autoretry_for = (KeyError,)

        def run(self, item):
            gate.hold()
            return "ran"

    work = app.register_task(Work())

    assert ALONE(work) is work
    assert is_guarded(work)


def test_a_class_that_is_not_registered_says_so(work_class):
    with pytest.raises(ConfigurationError, match="is not a Celery task"):
        work_class().run(1)


@pytest.mark.parametrize("parent_too", [False, True])
def test_a_subclass_inherits_the_guard(app, work_class, is_guarded, parent_too):
    special = type("Special", (work_class,), {"name": "special"})

    if parent_too:
        app.register_task(work_class())

    assert is_guarded(app.register_task(special()))


def test_parent_and_subclass_have_locks_of_their_own(app, work_class, gate):
    special_class = type("Special", (work_class,), {"name": "special"})
    work, special = map(app.register_task, (work_class(), special_class()))

    with gate.holding(work, 1), gate.holding(special, 1):
        pass


def test_a_subclass_may_call_the_guarded_run_of_its_parent(
    app, work_class, gate, is_guarded
):
    def run(self, item):
        return work_class.run(self, item)

    special_class = type("Special", (work_class,), {"name": "special", "run": run})
    special = app.register_task(special_class())
    gate.open()

    assert special(1) == "ran"
    assert is_guarded(special)


def test_a_subclass_with_a_run_of_its_own_is_not_guarded(app, work_class, gate):
    def run(self, item):
        gate.hold()

    special_class = type("Special", (work_class,), {"name": "special", "run": run})
    work, special = map(app.register_task, (work_class(), special_class()))

    with gate.holding(work, 1), gate.holding(special, 1), gate.holding(special, 1):
        pass


class Proud(Task):
    """Overrides Celery's hook for subclasses, and does not call its parent's."""

    @classmethod
    def on_bound(cls, app):
        pass


@pytest.mark.parametrize(
    "make",
    [
        lambda app, f: ALONE(app.task(base=Proud)(f)),
        lambda app, f: app.task(base=Proud)(ALONE(f)),
    ],
    ids=["outer", "inner"],
)
def test_a_base_class_with_an_on_bound_of_its_own_takes_nothing_away(
    app, gate, is_guarded, make
):
    def work(item):
        gate.hold()
        return "ran"

    assert is_guarded(make(app, work))


class Calling(Task):
    """Overrides ``__call__``, as many an application's base class does."""

    def __call__(self, *args, **kwargs):
        return ["called", super().__call__(*args, **kwargs)]


def test_a_base_class_with_a_call_of_its_own_is_guarded(app, gate):
    @app.task(base=Calling)
    @ALONE
    def work(item):
        gate.hold()
        return "ran"

    with gate.holding(work, 1) as first:
        assert work(1) == ["called", "turned away"]
    assert first.result() == ["called", "ran"]


def test_a_task_without_the_guard_is_left_alone(app):
    class Length(Task):
        name = "length"
        run = len

    class Loose(Task):
        name = "loose"

        def run(self, item):
            return item

    length, loose = app.register_task(Length()), app.register_task(Loose())

    assert [length([1]), loose(1)] == [1, 1]


def test_a_task_that_is_not_registered_yet_can_be_called(app):
    """As an instance of its class, which has no name."""

    class Plain(Task):
        @unique
        def run(self, item):
            return item

    Plain.bind(app)

    assert Plain.name is None
    assert Plain()(1) == 1


def test_what_celery_has_put_around_the_run_of_a_task_can_be_looked_into(app):
    @app.task(autoretry_for=(ValueError,), retry_kwargs={"max_retries": 5})
    @unique
    def divide(item, by=1):
        """Divide."""

    run = copy(divide.run)
    enclosed = dict(zip(run.__code__.co_freevars, run.__closure__))

    assert enclosed["retry_kwargs"].cell_contents == {"max_retries": 5}
    assert (run.__name__, run.__doc__) == ("divide", "Divide.")
    assert str(signature(run)) == "(item, by=1)"
