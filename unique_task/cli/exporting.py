"""What ``exporter`` does: it serves the metrics of an app to Prometheus."""

from __future__ import annotations

from celery import Celery

from .output import Failed, echo
from .served import in_url, needing, until_ended


def serve_metrics(
    app: Celery, host: str, port: int, timeout: float, locks: bool
) -> None:
    """Serve metrics until Ctrl-C or SIGTERM."""
    with needing("prometheus"):
        from prometheus_client import CollectorRegistry, start_http_server

        from ..prometheus import UniqueTaskCollector
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=timeout, locks=locks))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise Failed(f"cannot serve at {host}:{port}: {error}") from error
    with until_ended():
        echo(f"metrics: http://{in_url(host)}:{server.server_port}/metrics")
        thread.join()
    server.shutdown()
