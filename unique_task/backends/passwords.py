"""Keeps passwords in the URLs of stores out of logs and errors."""

from __future__ import annotations

import re

#: How to write what ends a password too early.
QUOTING = "in a password, / # ? ; and @ are written as %2F %23 %3F %3B and %40"

#: Between the URLs of several servers; a password may hold any other ";".
_NEXT = re.compile(r";(?=(?:sentinel|rediss?\+cluster)://)")

#: Where a server is, and no beginning of a password.
_PLACE = re.compile(r"[\w+.-]+://(\[[\w:.%]*\]|[\w.-]*)(:\d+)?(/|\Z)")


def without_password(url: str) -> str:
    """Return `url` as it may stand in a log."""
    return ";".join(map(_of_one, _NEXT.split(url)))


def _of_one(url: str) -> str:
    # Up to the last "@", because a password may hold any character; options may be one,
    # and what looks like options may be the rest of a password.
    place, _, options = url.partition("?")
    rest = "@" in options and "@" not in place
    named = _PLACE.match(place) and "=" in options.partition("@")[0]
    shown = url if rest and not named else place
    return re.sub(r"(?s)^([\w+.-]+://)?([^:/@]*:)?.*@", r"\1\2**@", shown)
