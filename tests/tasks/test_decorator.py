"""What ``@unique`` leaves as it is, and what it refuses."""

import inspect
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest
from celery import Task, signature

from tests.inprocess import make_app
from unique_task import ConfigurationError, unique

pytest_plugins = "tests.inprocess_fixtures"


def inner(app, function, options=None, **task_options):
    """``@app.task`` above ``@unique``."""
    return app.task(**task_options)(unique(**(options or {}))(function))


def outer(app, function, options=None, **task_options):
    """``@unique`` above ``@app.task``."""
    return unique(**(options or {}))(app.task(**task_options)(function))


@pytest.fixture(params=[inner, outer])
def guarded(request):
    """Both orders in which the decorators may stand."""
    return request.param


@pytest.fixture
def add():
    def add(x: int, y: int = 0, *, z: str = "0") -> int:
        """Add them up."""
        return x + y + int(z)

    return add


@pytest.fixture(params=["plain", "bound"])
def function(request, add):
    """A function, and the same for ``bind=True``."""

    def add_bound(self, x: int, y: int = 0, *, z: str = "0") -> int:
        """Add them up, bound."""
        return x + y + int(z)

    return add if request.param == "plain" else add_bound


def is_bound(function: Callable[..., Any]) -> bool:
    return "self" in inspect.signature(function).parameters


def traits(task: Any) -> dict[str, Any]:
    """What people and tools see of a task."""
    return {
        "name": task.name,
        "module": type(task).__module__,
        "class": type(task).__name__,
        "qualname": task.__qualname__,
        "doc": task.__doc__,
        "annotations": task.__annotations__,
        "run": [task.run.__name__, task.run.__qualname__, task.run.__doc__],
        "hints": typing.get_type_hints(task.run),
        "signature": inspect.signature(task.run),
        "checked": inspect.signature(task.__header__),
    }


def test_a_guarded_task_looks_as_it_would_without_a_guard(app, guarded, function):
    options = {"bind": is_bound(function), "shared": False}
    with make_app() as plain_app:
        seen = traits(plain_app.task(function, **options))

    assert traits(guarded(app, function, **options)) == seen


def test_the_function_itself_looks_the_same(function):
    decorated = unique(function)

    assert decorated.__name__ == function.__name__
    assert decorated.__doc__ == function.__doc__
    assert decorated.__module__ == function.__module__
    assert decorated.__annotations__ == function.__annotations__
    assert inspect.signature(decorated) == inspect.signature(function)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"w": 1}), ((1,), {"x": 1})]
)
def test_wrong_arguments_are_refused_when_they_are_sent(
    app, guarded, function, args, kwargs
):
    task = guarded(app, function, bind=is_bound(function))

    with pytest.raises(TypeError):
        task.delay(*args, **kwargs)
    with pytest.raises(TypeError):
        task.apply_async(args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((1, 2), {"z": "3"}), ((), {"x": 1, "y": 2})]
)
def test_right_arguments_are_sent(app, guarded, function, args, kwargs):
    task = guarded(app, function, bind=is_bound(function))

    assert task.delay(*args, **kwargs).id
    assert task.apply_async(args, kwargs).id


def test_arguments_are_sent_unchecked_if_the_task_says_so(app, guarded, function):
    task = guarded(app, function, bind=is_bound(function), typing=False)

    assert task.delay().id
    assert task.delay(1, 2, 3, w=4).id


def test_a_task_of_an_app_without_typing_is_not_checked(app, guarded, add):
    app.strict_typing = False

    assert guarded(app, add).delay().id


def test_what_the_function_returns_comes_through(app, guarded, function):
    task = guarded(app, function, bind=is_bound(function))

    assert task(1, 2, z="3") == task.apply((1, 2), {"z": "3"}).result == 6


def test_a_task_pickles_by_its_name(app, guarded, add):
    task = guarded(app, add)

    assert pickle.loads(pickle.dumps(task)) is app.tasks[task.name]


def test_a_signature_pickles_with_its_task(app, guarded, add):
    task = guarded(app, add)

    copy = pickle.loads(pickle.dumps(task.s(1, y=2)))

    assert copy == task.s(1, y=2) == signature(task.name, (1,), {"y": 2})
    assert app.tasks[copy.task].apply(copy.args, copy.kwargs).result == 3


@pytest.mark.parametrize("first", [inner, outer])
def test_a_function_is_decorated_once(app, first):
    def work():
        raise AssertionError

    task = first(app, work)

    with pytest.raises(ConfigurationError, match=r"work\(\) has @unique already"):
        unique(task)


def test_a_decorated_function_is_not_decorated_again(add):
    with pytest.raises(ConfigurationError, match=r"add\(\) has @unique already"):
        unique(unique(add))


def test_a_finalized_task_is_not_decorated_again(app, guarded):
    def work():
        raise AssertionError

    task = guarded(app, work)
    app.finalize()

    with pytest.raises(ConfigurationError, match="has @unique already"):
        unique(task)


def test_a_class_is_refused():
    class Work(Task):
        pass

    with pytest.raises(ConfigurationError, match="class .*Work: put it on its run"):
        unique(Work)


@pytest.mark.parametrize("junk", [3, "x", "{order}", ["order"], {"key": "x"}])
def test_an_option_without_its_name_is_refused(junk):
    with pytest.raises(ConfigurationError, match="options are given by name"):
        unique(junk)


def test_options_beside_a_function_are_refused(add):
    with pytest.raises(ConfigurationError, match="options are given by name"):
        unique(add, key="{x}")


def test_an_unknown_option_is_refused_by_its_name():
    with pytest.raises(Exception, match="colour"):
        unique(colour="red")  # type: ignore[call-overload]


def test_a_wrong_option_is_refused_where_it_is_written(app, guarded):
    with pytest.raises(ConfigurationError, match="'w' is no parameter"):
        guarded(app, lambda x: None, {"key": "{w}"})


@pytest.mark.parametrize("options", [{}, {"key": "{x}"}])
def test_a_function_that_is_no_task_says_so_when_it_is_called(add, options):
    decorated = unique(**options)(add)

    with pytest.raises(ConfigurationError, match=r"add\(\).*put @app.task above it"):
        decorated(1)


async def coroutine():
    raise AssertionError


def generator():
    yield


async def both():
    yield


@pytest.mark.parametrize("function", [coroutine, generator, both])
def test_a_body_that_would_run_after_the_lock_is_refused(app, function):
    with pytest.raises(ConfigurationError, match="coroutine or generator"):
        unique(function)
    with pytest.raises(ConfigurationError, match="coroutine or generator"):
        unique(app.task(function))
