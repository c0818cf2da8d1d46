"""The requests that a worker's parent process keeps for the tasks of its children."""

from typing import Any

from celery.worker.request import Request

from unique_task.running.orphans import watched


class OwnRequest(Request):
    """A class of requests that a user wrote."""


def test_a_class_of_requests_keeps_its_name_and_methods():
    assert watched(OwnRequest).__name__ == "OwnRequest"
    assert issubclass(watched(OwnRequest), OwnRequest)


def test_a_class_is_watched_once_however_often_a_worker_starts():
    once: Any = watched(Request)

    assert watched(once) is once
    assert watched(Request) is once
