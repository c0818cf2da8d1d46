"""The commands of ``celery -A proj unique``."""

from __future__ import annotations

from typing import Any

import click
from celery.bin.base import CeleryCommand

from ..pages.words import STATES, VERDICTS
from . import inspecting  # noqa: F401 - for celery inspect
from . import servers  # noqa: F401 - more commands
from .group import app_of, errors_for_people, unique
from .options import (
    SECONDS,
    WAIT,
    args,
    json_lines,
    kwargs,
    option,
    task_pattern,
    timeout,
)

__all__ = ["unique"]

# Every celery command imports this module: what only one of ours needs, that imports.


@unique.command(cls=CeleryCommand)
@click.argument("task")
@args
@kwargs
@timeout
@json_lines
@click.pass_context
def explain(context: click.Context, /, **given: Any) -> None:
    """Tell what would happen to a call of TASK now, when it is published and run."""
    from .commands import explain_call

    with errors_for_people():
        explain_call(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@click.argument("wanted", metavar="KEY|TASK_ID|TASK")
@args
@kwargs
@timeout
@json_lines
@click.pass_context
def show(context: click.Context, /, **given: Any) -> None:
    """Show one lock: by its KEY, by the TASK_ID of a holder, or by a call of TASK."""
    from .commands import show_lock

    with errors_for_people():
        show_lock(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@option("--strict", is_flag=True, help="Exit with 1 on a warning, too.")
@timeout
@json_lines
@click.pass_context
def doctor(context: click.Context, /, **given: Any) -> None:
    """Check what may let a task run twice, or not at all: one line a check."""
    from .commands import examine_app

    with errors_for_people():
        examine_app(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@task_pattern
@option("--worker", default="*", help="Name of the worker, or a pattern.")
@option("--state", "states", multiple=True, type=click.Choice(STATES))
@option("--verdict", "verdicts", multiple=True, type=click.Choice(VERDICTS))
@option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=0,
    help="Seconds for which it has been held at least.",
)
@option("--keys", "only_keys", is_flag=True, help="Print the keys only, one a line.")
@timeout
@json_lines
@click.pass_context
def ls(context: click.Context, /, **given: Any) -> None:
    """List the locks that are held."""
    from .commands import list_locks

    with errors_for_people():
        list_locks(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@click.argument("wanted", metavar="KEY|TASK")
@args
@kwargs
@option(
    "--for", "seconds", type=SECONDS, required=True, help="Seconds to hold the key."
)
@option("--reason", required=True, help="Shown to whoever meets the hold.")
@option("--by", help="Who holds it.  [default: user@host]")
@option("--wait", type=WAIT, default=0, help="Seconds to wait until it is free.")
@option("--limit", type=click.IntRange(min=1), help="Of KEY: how many may hold it.")
@option("--store", help="Of KEY: its store, if the app has several.")
@timeout
@json_lines
@click.pass_context
def hold(context: click.Context, /, **given: Any) -> None:
    """Hold a KEY, or that of a call of TASK, so that no call of it runs meanwhile.

    Calls that wait go on waiting; others are duplicates, and name the hold. It ends by
    its time, or by release.
    """
    from .holding import hold_key

    with errors_for_people():
        hold_key(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@click.argument("wanted", metavar="[KEY|TASK_ID|TASK]", required=False)
@args
@kwargs
@option("--task", help="Of all tasks whose names fit a pattern: shop.*")
@option("--worker", help="Of all workers whose names fit a pattern.")
@option("--dead", is_flag=True, help="Of holders that are dead.")
@option("--pending", is_flag=True, help="Of messages that have not started.")
@option("--held", is_flag=True, help="Of operators, who hold them.")
@option("--running", is_flag=True, help="Of runs, and calls in place, that may live.")
@option("--revoke", is_flag=True, help="Revoke their tasks, and terminate those.")
@option("--by", help="Who releases them, for the runs.  [default: user@host]")
@option("-f", "--force", is_flag=True, help="Release; without it, only tell.")
@timeout
@json_lines
@click.pass_context
def release(context: click.Context, /, **given: Any) -> None:
    """Release locks: those of one key, or all that fit the options.

    Of holders that are dead, of messages, of direct calls, and of operators; what runs
    and may live is refused without --running. With it, the run goes on without its
    lock, and hears who released it; --revoke ends it. By options, what operators hold
    is released with --held alone. Without --force, nothing is released.
    """
    from .releasing import release_locks

    with errors_for_people():
        release_locks(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@task_pattern
@option(
    "--minutes",
    type=click.IntRange(1, 360),
    default=60,
    show_default=True,
    help="How far to look back.",
)
@json_lines
@click.pass_context
def stats(context: click.Context, /, **given: Any) -> None:
    """Count the runs, duplicates and waits of each task, lately."""
    from .counting import print_counters

    with errors_for_people():
        print_counters(app_of(context), **given)


@unique.command(cls=CeleryCommand)
@task_pattern
@option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@option("--count", type=click.IntRange(min=1), help="End after so many looks.")
@click.pass_context
def watch(context: click.Context, /, **given: Any) -> None:
    """Watch what is held, and the rates of the last minutes; Ctrl-C ends it."""
    from .watching import watch_locks

    with errors_for_people():
        watch_locks(app_of(context), **given)
