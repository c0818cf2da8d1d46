"""Options that several commands have, and the values that they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from celery.bin.base import JSON_ARRAY, JSON_OBJECT, CeleryOption

_GROUP = "Unique Options"


def option(*names: str, **options: Any) -> Callable[..., Any]:
    """Return the decorator that adds an option to a command."""
    return click.option(*names, cls=CeleryOption, help_group=_GROUP, **options)


json_lines = option("-j", "--json", "as_json", is_flag=True, help="One object a line.")
timeout = option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Seconds to wait for the workers' answers; 0 not to ask them.",
)
SECONDS = click.FloatRange(min=0, min_open=True)
WAIT = click.FloatRange(min=0)
PORT = click.IntRange(0, 65535)
task_pattern = option(
    "--task", default="*", help="Name of the task, or a pattern: shop.*"
)
args = option(
    "-a", "--args", type=JSON_ARRAY, help="Arguments of a call, as a JSON array."
)
kwargs = option(
    "-k", "--kwargs", type=JSON_OBJECT, help="Its keyword arguments, as an object."
)
