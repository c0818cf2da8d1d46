"""The commands that serve something until they are ended."""

from __future__ import annotations

from typing import Any

import click
from celery.bin.base import CeleryCommand

from .group import app_of, errors_for_people, unique
from .options import PORT, WAIT, option, timeout


@unique.command(cls=CeleryCommand)
@option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@option("--port", type=PORT, default=9808, show_default=True, help="0: a free one.")
@option("--locks/--no-locks", default=True, help="List what is held; or only count.")
@timeout
@click.pass_context
def exporter(context: click.Context, /, **given: Any) -> None:
    """Serve metrics to Prometheus, from the stores of the locks; Ctrl-C ends it."""
    from .exporting import serve_metrics

    with errors_for_people():
        serve_metrics(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@option("--port", type=PORT, default=9809, show_default=True, help="0: a free one.")
@option("--allow-actions", is_flag=True, help="Let users release and hold locks.")
@option(
    "--password",
    envvar="UNIQUE_WEB_PASSWORD",
    help="Ask for it. Others see a command: better set UNIQUE_WEB_PASSWORD.",
)
@option("--open-to-all", is_flag=True, help="Ask other hosts for no password.")
@option(
    "--trusted-host",
    "trusted_hosts",
    multiple=True,
    help="Name under which it is reached, as by a proxy.",
)
@option(
    "--refresh",
    type=WAIT,
    default=5.0,
    show_default=True,
    help="Seconds between two looks of an open page; 0 for none.",
)
@timeout
@click.pass_context
def web(context: click.Context, /, **given: Any) -> None:
    """Serve a web page of tasks and locks, read-only by default; Ctrl-C ends it."""
    from .serving import serve_page

    with errors_for_people():
        serve_page(app_of(context), **given)
