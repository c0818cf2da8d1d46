"""How values stand in the templates: all text from outside is made visible first."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from flask import Flask, request, url_for
from markupsafe import Markup

from .. import operating
from ..pages.lines import top_of
from ..pages.words import STATES, VERDICTS, ago, duration, shown
from .access import is_let_in, user
from .state import site

#: Letters of a text in a cell of a table; the page of one lock has all.
_SHORT = 60


def install(web: Flask) -> None:
    """Teach an application its formats."""
    env = web.jinja_env
    env.finalize = _visible
    env.trim_blocks = env.lstrip_blocks = True
    env.filters.update(
        ago=ago, duration=duration, short=_short, clock=_clock, encodable=_encodable
    )
    env.globals.update(STATES=STATES, VERDICTS=VERDICTS, top_of=top_of)
    web.context_processor(_context)


def _context() -> dict[str, Any]:
    # Who was refused is told nothing.
    names = operating.stores(site().app) if is_let_in() else []
    return {"site": site(), "user": user(), "stores": names, "still": _still}


def _still() -> str:
    """Return the address of this page, without its refreshing."""
    fields = urlencode([*request.args.items(multi=True), ("refresh", "off")])
    return f"{url_for(request.endpoint or 'pages.tasks')}?{fields}"


def _visible(value: Any) -> Any:
    """Return a value as it is put into a page: what controls the text is visible."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return shown(value)
    return value


def _short(value: object) -> str:
    text = shown(value)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."


def _encodable(text: str) -> str:
    """Return a text that can stand in a link: a store may have any."""
    return text.encode("utf-8", "backslashreplace").decode()


def _clock(moment: float) -> str:
    """Return a moment, in seconds since 1970."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (OverflowError, ValueError, OSError):  # a store may have any number
        return f"{moment:g}"
