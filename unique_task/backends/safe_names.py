"""Names for stores that give no password away: in logs, errors and messages."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

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


@lru_cache
def fingerprint_of(identity: str) -> str:
    """Return eight digits for what identifies a store."""
    return hashlib.blake2b(identity.encode(), digest_size=4).hexdigest()
