"""What is to be done before a process ends."""

import atexit

import pytest
from celery import signals

from unique_task.threads import call_at_end

pytestmark = pytest.mark.any_celery


def test_each_function_is_called_once_when_a_child_of_a_worker_ends():
    called = []

    def one(**_: object) -> None:
        called.append("one")

    def other(**_: object) -> None:
        called.append("other")

    for finish in (one, other, one):
        call_at_end(finish)
    signals.worker_process_shutdown.send(sender=None)
    for finish in (one, other):
        atexit.unregister(finish)

    assert sorted(called) == ["one", "other"]
