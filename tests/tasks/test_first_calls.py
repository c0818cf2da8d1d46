"""The first calls of a process, from many threads at once."""

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from celery import Celery, Task, shared_task

from tests.forking import in_fork
from tests.inprocess import make_app
from tests.published_calls import noted
from unique_task import UniqueCeleryTask, unique
from unique_task.options import guarded_class

pytest_plugins = "tests.inprocess_fixtures"

#: Without the guard's care, four in five of these processes send a message unguarded.
PROCESSES = 6
THREADS = 8

ONE = unique(lock="until_executed")


def inner(app: Celery) -> Any:
    @app.task
    @ONE
    def work(item: int) -> None: ...

    return work


def outer(app: Celery) -> Any:
    @ONE
    @app.task(bind=True, autoretry_for=(ValueError,))
    def work(self: Task, item: int) -> None: ...

    return work


def based(app: Celery) -> Any:
    class Based(UniqueCeleryTask):
        unique_options = {"lock": "until_executed"}

    @app.task(base=Based)
    def work(item: int) -> None: ...

    return work


def shared(app: Celery) -> Any:
    app.set_default()

    @shared_task
    @ONE
    def work(item: int) -> None: ...

    return work


def at_once(call: Callable[[int], object]) -> None:
    """Call it from many threads that start together; raise what one of them does."""
    barrier = Barrier(THREADS, timeout=60)

    def run(number: int) -> None:
        barrier.wait()
        call(number)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(run, range(THREADS)))


def by_task(app: Celery, task: Any, number: int) -> Any:
    try:
        delay = task.delay
    except AttributeError:
        # Celery's own: a lazy task forgets what makes it while another thread asks.
        delay = task.delay
    return delay(number)


def by_name(app: Celery, task: Any, number: int) -> Any:
    return app.send_task(f"{__name__}.work", (number,))


def by_either(app: Celery, task: Any, number: int) -> Any:
    return (by_task if number % 2 else by_name)(app, task, number)


def locks_sent(make: Any, call: Any) -> list[bool]:
    """Return, for each message of the first calls, whether it went with its lock."""
    app = make_app()
    task = make(app)
    results: list[Any] = []
    with noted() as sent:
        at_once(lambda number: results.append(call(app, task, number)))
    assert all(result.duplicate is False for result in results)
    return [message.lock is not None for message in sent]


@pytest.mark.parametrize("call", [by_task, by_name, by_either])
@pytest.mark.parametrize("make", [inner, outer, based, shared])
def test_the_first_calls_of_a_process_are_guarded(make, call):
    for _ in range(PROCESSES):
        assert in_fork(lambda: locks_sent(make, call)) == [True] * THREADS


def test_of_equal_first_calls_one_is_sent():
    def sent_of_equal_calls() -> int:
        app = make_app()
        task = inner(app)
        with noted() as sent:
            at_once(lambda number: by_task(app, task, 1))
        return len(sent)

    for _ in range(PROCESSES):
        assert in_fork(sent_of_equal_calls) == 1


def test_a_task_that_is_registered_and_not_bound_yet_is_guarded(app, sent):
    work = inner(app)

    class Late(Task):
        name = work.name
        run = staticmethod(ONE(lambda item: None))

    app._tasks[work.name] = Late()

    app.send_task(work.name, (1,))

    assert sent.last.lock["token"]


def test_a_fork_in_the_middle_of_the_first_call_is_no_obstacle(app):
    task = inner(app)
    with guarded_class._installing:  # as another thread has it

        def call() -> bool:
            return bool(task.delay(1).duplicate)

        assert in_fork(call) is False


def test_a_function_keeps_no_app_alive():
    @ONE
    def work(item: int) -> None: ...

    def used() -> Any:
        with Celery(set_as_current=False) as app:
            task = app.task(shared=False, lazy=False)(work)
            task.apply((1,))
            return weakref.ref(task)

    gone = used()
    gc.collect()

    assert gone() is None
