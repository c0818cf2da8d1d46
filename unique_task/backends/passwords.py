"""Keeps passwords in the URLs of stores out of logs and errors."""

from __future__ import annotations

import re

#: How to write what ends a password too early.
QUOTING = "in a password, / # ? and @ are written as %2F %23 %3F and %40"

#: Between the URLs of several servers; a password may hold any other ";".
_NEXT = re.compile(r";(?=(?:sentinel|rediss?\+cluster)://)")


def without_password(url: str) -> str:
    """Return `url` as it may stand in a log."""
    # Up to the last "@", because a password may hold any character; options may be one.
    shown = url.partition("?")[0]
    parts = _NEXT.split(shown)
    return ";".join(
        re.sub(r"^([\w+.-]+://)?([^:/@]*:)?.*@", r"\1\2**@", part) for part in parts
    )
