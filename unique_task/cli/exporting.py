"""What ``exporter`` does: it serves the metrics of an app to Prometheus."""

from __future__ import annotations

import signal
from contextlib import suppress

from celery import Celery

from .output import Failed, echo


def serve_metrics(
    app: Celery, host: str, port: int, timeout: float, locks: bool
) -> None:
    """Serve metrics until Ctrl-C or SIGTERM."""
    try:
        from prometheus_client import CollectorRegistry, start_http_server

        from ..prometheus import UniqueTaskCollector
    except ModuleNotFoundError as error:
        raise Failed(
            f"the module {error.name} is missing: pip install 'unique_task[prometheus]'"
        ) from error
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=timeout, locks=locks))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise Failed(f"cannot serve at {host}:{port}: {error}") from error
    echo(f"metrics: http://{host}:{server.server_port}/metrics")
    # As the first process of a container it would not hear SIGTERM without a handler.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        thread.join()
    server.shutdown()
