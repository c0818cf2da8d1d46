"""What the command ``exporter`` says when it cannot serve."""

import socket
import sys

import pytest

from tests.published_calls import task_of
from unique_task.cli.exporting import serve_metrics
from unique_task.cli.output import Failed

pytest_plugins = "tests.inprocess_fixtures"

HOST = "127.0.0.1"


def test_a_port_that_is_in_use_is_an_error_that_names_it(app):
    task_of(app)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(Failed, match=f"cannot serve at {HOST}:{port}: "):
            serve_metrics(app, HOST, port, 0, False)


def test_without_the_extra_it_says_what_to_install(app, monkeypatch):
    task_of(app)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(Failed, match=r"pip install 'unique_task\[prometheus\]'"):
        serve_metrics(app, HOST, 0, 0, False)
