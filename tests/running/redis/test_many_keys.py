"""The memory of a process does not grow with the keys that it has locked in Redis."""

import gc
import sys
from itertools import count
from typing import Any

import pytest
from celery.app.trace import build_tracer

from unique_task import unique
from unique_task.counting.tally import tally

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

#: Keys before memory is measured, and again while it is.
KEYS = 300

#: Blocks of memory for each key; what is forgotten needs none.
NONE = 0.1


@pytest.mark.parametrize("late", [False, True])
def test_memory_is_the_same_after_twice_as_many_keys(app, redis_url, late):
    app.conf.update(unique_backend=redis_url, task_ignore_result=True)
    numbers = count()

    @app.task(acks_late=late, shared=False)
    @unique
    def work(number): ...

    trace = build_tracer(work.name, app.tasks[work.name], app=app)

    def run_many() -> int:
        for _ in range(KEYS):
            task_id = f"task {next(numbers)}"
            request: dict[str, Any] = {"id": task_id, "task": work.name}
            request |= {"hostname": "celery@host", "is_eager": False}
            trace(task_id, [task_id], {}, request)
        tally.drop()  # what is counted waits for its flush
        gc.collect()
        return sys.getallocatedblocks()

    # The least of three: a cache fills once, and other threads allocate now and then.
    blocks = [run_many() for _ in range(4)]
    growth = min(after - before for before, after in zip(blocks, blocks[1:]))
    assert growth / KEYS < NONE
