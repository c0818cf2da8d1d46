"""The web page of an app with two tasks, asked without a server."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.published_calls import task_of
from unique_task import MemoryBackend, unique
from unique_task.web import anybody, create_web


class Shared(MemoryBackend):
    """One that is seen by other processes, as far as the page knows."""

    shared = True


@pytest.fixture
def task(app: Any) -> Any:
    app.conf.unique_backend = Shared()
    task_of(app, name="other")
    return task_of(app, unique(lock="until_and_while_executing"))


@pytest.fixture
def client(app: Any, task: Any) -> FlaskClient:
    """Of a page that shows; nobody is asked who they are."""
    return client_of(app)


@pytest.fixture
def acting(app: Any, task: Any) -> FlaskClient:
    """Of a page that also releases and holds."""
    return client_of(app, allow_actions=True)


def client_of(app: Any, **options: Any) -> FlaskClient:
    if "password" not in options:
        options.setdefault("who", anybody)
    web = create_web(app, timeout=0, **options)
    web.testing = True
    return web.test_client()
