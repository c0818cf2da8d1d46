"""Names of stores without passwords, for logs, errors and messages."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

#: How to write the characters that would end a password.
QUOTING = "in a password, / # ? ; and @ are written as %2F %23 %3F %3B and %40"

#: Between the URLs of several servers; a password may hold any other ";".
_NEXT = re.compile(r";(?=(?:sentinel|rediss?\+cluster)://)")

#: Scheme, host and port of a server, and no beginning of a password.
_PLACE = re.compile(r"[\w+.-]+://(\[[\w:.%]*\]|[\w.-]*)(:\d+)?(/|\Z)")


def without_password(url: str) -> str:
    """Return `url` as a log may show it."""
    return ";".join(map(_of_one, _NEXT.split(url)))


def _of_one(url: str) -> str:
    # A password ends at the last "@", as it may hold any character. Options may hold an
    # "@" too, and what looks like options may be the rest of a password.
    place, _, options = url.partition("?")
    rest = "@" in options and "@" not in place
    named = _PLACE.match(place) and "=" in options.partition("@")[0]
    shown = url if rest and not named else place
    return re.sub(r"(?s)^([\w+.-]+://)?([^:/@]*:)?.*@", r"\1\2**@", shown)


@lru_cache
def fingerprint_of(identity: str) -> str:
    """Return eight digits for the identity of a store.

    Messages carry them, so they must stay the same in all versions.
    """
    return hashlib.blake2b(identity.encode(), digest_size=4).hexdigest()
