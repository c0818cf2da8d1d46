"""Lets ``celery inspect`` know the command ``unique``."""

from __future__ import annotations

import click
from celery.bin import control

from .. import inspecting  # noqa: F401 - it registers the command


def add_choice(command: click.Command, name: str) -> None:
    """Add to the names that an old Celery has fixed before it loads plug-ins.

    Since Celery 5.5 it looks for them when the command is called.
    """
    for parameter in command.params:
        kind = parameter.type
        if isinstance(kind, click.Choice) and name not in kind.choices:
            parameter.type = click.Choice([*kind.choices, name])


add_choice(control.inspect, "unique")
