"""The command that holds a key for an operator, with a reason."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterable
from typing import Any

from celery import Celery
from celery.utils.nodenames import gethostname

from .. import operating
from ..pages.holding import others_hold
from ..pages.words import duration
from .commands import echo_holders
from .output import Failed, echo_fields, echo_json


def hold_key(
    app: Celery, wanted: str, as_json: bool, by: str | None, **asked: Any
) -> None:
    """Hold a key, or tell who holds it."""
    answer = operating.hold(app, wanted, by=by or user_at_host(), **asked)
    if as_json:
        echo_json(operating.as_plain(answer))
    elif isinstance(answer, operating.Hold):
        echo_fields(_held(answer))
    else:
        echo_holders([answer])
    if not isinstance(answer, operating.Hold):
        raise Failed(f"not held: {others_hold(answer)} {answer.key}")


def _held(hold: operating.Hold) -> Iterable[tuple[str, object]]:
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(hold.until))
    yield "store", hold.store
    if hold.task:
        yield "task", hold.task
    yield "key", hold.key
    yield "held by", f"{hold.by}: {hold.reason}"
    yield "until", f"{until}, for {duration(hold.seconds)}"
    if hold.places > 1:
        yield "places", f"all {hold.places}"
    yield "fence", "-" if hold.fence is None else hold.fence
    for finding in hold.findings:
        yield "but", finding
    yield "to end it", f"celery -A proj unique release {hold.key} --force"


def user_at_host() -> str:
    """Return who calls the command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for it
        name = str(os.getuid())
    return f"{name}@{gethostname()}"
