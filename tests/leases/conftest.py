"""A task whose leases the tests of a keeper keep."""

import pytest
from celery import Celery, Task


@pytest.fixture
def task() -> Task:
    app = Celery("lease_tests", set_as_current=False)

    @app.task(shared=False, name="keep", lazy=False)
    def keep():
        pass

    return keep
