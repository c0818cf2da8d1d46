"""Tasks that are classes derived from ``UniqueCeleryTask``, and tasks with models."""

import celery
import pytest
from celery import Task

from tests.inprocess import make_app
from unique_task import (
    ConfigurationError,
    DuplicateTaskError,
    UniqueCeleryTask,
    current_lock,
    skip,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def work_class(gate):
    class Work(UniqueCeleryTask):
        name = "work"
        unique_options = {"on_duplicate": "raise"}

        def run(self, item, note=""):
            gate.hold()
            return item

    return Work


def test_a_registered_class_is_guarded(app, work_class, gate):
    work = app.register_task(work_class())

    with gate.holding(work, 1) as first, pytest.raises(DuplicateTaskError):
        work(1)
    assert first.result() == 1


def test_with_autoretry_a_registered_class_is_guarded(app, gate):
    class Work(UniqueCeleryTask):
        name = "work"
        autoretry_for = (ZeroDivisionError,)
        retry_kwargs = {"max_retries": 2, "countdown": 0}
        unique_options = {"on_duplicate": skip("turned away")}
        tries = 0

        def run(self, item):
            gate.hold()
            type(self).tries += 1
            if self.tries < 3:
                raise ZeroDivisionError
            return "ran"

    work = app.register_task(Work())

    with gate.holding(work.apply, (1,)) as first:
        assert work.apply((1,)).result == "turned away"
    assert first.result().get() == "ran"
    assert Work.tries == 3


def test_a_subclass_has_options_of_its_own(app, work_class, gate):
    options = {"on_duplicate": skip("quiet"), "key": "{item}"}
    body = {"name": "quiet", "unique_options": options}
    quiet_class = type("Quiet", (work_class,), body)
    work, quiet = map(app.register_task, (work_class(), quiet_class()))

    with gate.holding(work, 1), gate.holding(quiet, 1):
        with pytest.raises(DuplicateTaskError):
            work(1)
        assert quiet(1, note="other") == "quiet"


def test_a_subclass_may_extend_the_body_of_its_parent(app, work_class, gate):
    def run(self, item, note=""):
        return ["special", work_class.run(self, item, note)]

    special_class = type("Special", (work_class,), {"name": "special", "run": run})
    special = app.register_task(special_class())
    gate.open()

    assert special(1) == ["special", 1]
    with gate.holding(special, 1) as first, pytest.raises(DuplicateTaskError):
        special(1)
    assert first.result() == ["special", 1]


def test_an_abstract_class_without_a_body_makes_no_task(app):
    class Base(UniqueCeleryTask):
        unique_options = {"key": "{tenant}"}

    with pytest.raises(ConfigurationError, match="'tenant' is no parameter"):

        class Work(Base):
            def run(self, item):
                raise AssertionError

    assert "run" not in vars(Base)


def test_both_forms_in_one_class_are_refused():
    with pytest.raises(ConfigurationError, match="Work has @unique and is a Unique"):

        class Work(UniqueCeleryTask):
            @unique
            def run(self, item):
                raise AssertionError


def test_two_apps_may_have_tasks_of_one_class(app, gate):
    class Skipping(UniqueCeleryTask):
        unique_options = {"on_duplicate": skip("turned away")}

    def work():
        gate.hold()

    with make_app() as other:
        ours = app.task(base=Skipping, shared=False)(work)
        theirs = other.task(base=Skipping, shared=False)(work)

        with gate.holding(ours), gate.holding(theirs):
            assert ours() == theirs() == "turned away"


def with_base(task, function):
    return task(base=UniqueCeleryTask)(function)


def below(task, function):
    return task()(unique(function))


def above(task, function):
    return unique(task()(function))


@pytest.mark.skipif(celery.VERSION < (5, 5), reason="pydantic=True is new in 5.5")
@pytest.mark.parametrize("guard", [with_base, above, below])
@pytest.mark.parametrize("bind", [False, True])
def test_a_model_and_its_plain_data_are_one_key(app, guard, bind):
    pydantic = pytest.importorskip("pydantic")
    Order = pydantic.create_model("Order", number=(int, ...), note=(str, ""))

    def body(*args: object) -> str:
        assert isinstance(args[-1], Order)
        return current_lock().key

    def plain(order):
        return body(order)

    def bound(self, order):
        assert isinstance(self, Task)
        return body(order)

    function = bound if bind else plain
    function.__annotations__["order"] = Order
    task = guard(lambda **o: app.task(pydantic=True, bind=bind, **o), function)

    plainly = {"number": 1}
    spellings = [Order(number=1), plainly, {"number": 1, "note": ""}]
    keys = {task(spelling) for spelling in spellings}
    keys |= {task(order=spelling) for spelling in spellings}
    keys.add(task.apply((plainly,)).result)

    assert len(keys) == 1
    assert task({"number": 2}) not in keys
