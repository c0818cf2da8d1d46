"""The commands of ``celery -A proj unique``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from celery.bin.base import (
    JSON_ARRAY,
    JSON_OBJECT,
    CeleryCommand,
    CeleryOption,
    handle_preload_options,
)

from ..exceptions import LockStoreError, UniqueError
from . import inspecting  # noqa: F401 - for celery inspect
from .output import Away, Failed, Usage

# Every celery command imports this module: what only one of ours needs, that imports.

_GROUP = "Unique Options"

STATES = ("pending", "running", "called", "held")
VERDICTS = ("alive", "dead", "unknown")


def _option(*names: str, **options: Any) -> Callable[..., Any]:
    return click.option(*names, cls=CeleryOption, help_group=_GROUP, **options)


_json = _option("-j", "--json", "as_json", is_flag=True, help="One object a line.")
_timeout = _option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Seconds to wait for the workers' answers; 0 not to ask them.",
)
_SECONDS = click.FloatRange(min=0, min_open=True)
_WAIT = click.FloatRange(min=0)
_tasks = _option("--task", default="*", help="Name of the task, or a pattern: shop.*")
_args = _option(
    "-a", "--args", type=JSON_ARRAY, help="Arguments of a call, as a JSON array."
)
_kwargs = _option(
    "-k", "--kwargs", type=JSON_OBJECT, help="Its keyword arguments, as an object."
)


@click.group(name="unique")
@click.pass_context
@handle_preload_options
def unique(context: click.Context, /, **_: Any) -> None:
    """See, explain and free the locks of unique tasks."""


@unique.command(cls=CeleryCommand)
@click.argument("task")
@_args
@_kwargs
@_timeout
@_json
@click.pass_context
def explain(context: click.Context, /, **given: Any) -> None:
    """Tell what would happen to a call of TASK now, when it is published and run."""
    from .commands import explain_call

    with _errors_for_people():
        explain_call(_app(context), **given)


@unique.command(cls=CeleryCommand)
@click.argument("wanted", metavar="KEY|TASK_ID|TASK")
@_args
@_kwargs
@_timeout
@_json
@click.pass_context
def show(context: click.Context, /, **given: Any) -> None:
    """Show one lock: by its KEY, by the TASK_ID of a holder, or by a call of TASK."""
    from .commands import show_lock

    with _errors_for_people():
        show_lock(_app(context), **given)


@unique.command(cls=CeleryCommand)
@_option("--strict", is_flag=True, help="Exit with 1 on a warning, too.")
@_timeout
@_json
@click.pass_context
def doctor(context: click.Context, /, **given: Any) -> None:
    """Check what may let a task run twice, or not at all: one line a check."""
    from .commands import examine_app

    with _errors_for_people():
        examine_app(_app(context), **given)


@unique.command(cls=CeleryCommand)
@_tasks
@_option("--worker", default="*", help="Name of the worker, or a pattern.")
@_option("--state", "states", multiple=True, type=click.Choice(STATES))
@_option("--verdict", "verdicts", multiple=True, type=click.Choice(VERDICTS))
@_option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=0,
    help="Seconds for which it has been held at least.",
)
@_option("--keys", "only_keys", is_flag=True, help="Print the keys only, one a line.")
@_timeout
@_json
@click.pass_context
def ls(context: click.Context, /, **given: Any) -> None:
    """List the locks that are held."""
    from .commands import list_locks

    with _errors_for_people():
        list_locks(_app(context), **given)


@unique.command(cls=CeleryCommand)
@click.argument("wanted", metavar="KEY|TASK")
@_args
@_kwargs
@_option(
    "--for", "seconds", type=_SECONDS, required=True, help="Seconds to hold the key."
)
@_option("--reason", required=True, help="Shown to whoever meets the hold.")
@_option("--by", help="Who holds it.  [default: user@host]")
@_option("--wait", type=_WAIT, default=0, help="Seconds to wait until it is free.")
@_option("--limit", type=click.IntRange(min=1), help="Of KEY: how many may hold it.")
@_option("--store", help="Of KEY: its store, if the app has several.")
@_timeout
@_json
@click.pass_context
def hold(context: click.Context, /, **given: Any) -> None:
    """Hold a KEY, or that of a call of TASK, so that no call of it runs meanwhile.

    Calls that wait go on waiting; others are duplicates, and name the hold. It ends by
    its time, or by release.
    """
    from .holding import hold_key

    with _errors_for_people():
        hold_key(_app(context), **given)


@unique.command(cls=CeleryCommand)
@click.argument("wanted", metavar="[KEY|TASK_ID|TASK]", required=False)
@_args
@_kwargs
@_option("--task", help="Of all tasks whose names fit a pattern: shop.*")
@_option("--worker", help="Of all workers whose names fit a pattern.")
@_option("--dead", is_flag=True, help="Of holders that are dead.")
@_option("--pending", is_flag=True, help="Of messages that have not started.")
@_option("--held", is_flag=True, help="Of operators, who hold them.")
@_option("--running", is_flag=True, help="Of runs, and calls in place, that may live.")
@_option("--revoke", is_flag=True, help="Revoke their tasks, and terminate those.")
@_option("--by", help="Who releases them, for the runs.  [default: user@host]")
@_option("-f", "--force", is_flag=True, help="Release; without it, only tell.")
@_timeout
@_json
@click.pass_context
def release(context: click.Context, /, **given: Any) -> None:
    """Release locks: those of one key, or all that fit the options.

    Of holders that are dead, of messages, of direct calls, and of operators; what runs
    and may live is refused without --running. With it, the run goes on without its
    lock, and hears who released it; --revoke ends it. By options, what operators hold
    is released with --held alone. Without --force, nothing is released.
    """
    from .releasing import release_locks

    with _errors_for_people():
        release_locks(_app(context), **given)


@unique.command(cls=CeleryCommand)
@_tasks
@_option(
    "--minutes",
    type=click.IntRange(1, 360),
    default=60,
    show_default=True,
    help="How far to look back.",
)
@_json
@click.pass_context
def stats(context: click.Context, /, **given: Any) -> None:
    """Count the runs, duplicates and waits of each task, lately."""
    from .counting import print_counters

    with _errors_for_people():
        print_counters(_app(context), **given)


@unique.command(cls=CeleryCommand)
@_tasks
@_option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@_option("--count", type=click.IntRange(min=1), help="End after so many looks.")
@click.pass_context
def watch(context: click.Context, /, **given: Any) -> None:
    """Watch what is held, and the rates of the last minutes; Ctrl-C ends it."""
    from .watching import watch_locks

    with _errors_for_people():
        watch_locks(_app(context), **given)


def _app(context: click.Context) -> Any:
    """Return the user's app, with all its tasks."""
    # Without one, Celery gives an app of its own, which has no task of the user's.
    if context.find_root().params.get("app") is None:
        raise Usage(
            "which app? Say so before the command: celery -A proj unique "
            f"{context.info_name}"
        )
    app = context.obj.app
    app.loader.import_default_modules()
    return app


@contextmanager
def _errors_for_people() -> Iterator[None]:
    try:
        yield
    except LockStoreError as error:
        raise Away(f"the store does not answer: {error}") from error
    except LookupError as error:
        if not isinstance(error, UniqueError):
            raise
        raise Usage(str(error)) from error
    except UniqueError as error:
        raise Failed(str(error)) from error
