"""What Redis and its client say when something is wrong."""

from __future__ import annotations

import re

import redis
from redis.exceptions import (
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    MovedError,
    NoPermissionError,
)
from redis.sentinel import MasterNotFoundError

#: What the server says until somebody mends it.
_REFUSALS = (
    redis.AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
)
#: The same where that is no class of its own, or where it is quoted.
_WORDS = re.compile(
    "DB index is out of range|unknown command|ACL failure in script|"
    "user executing the script can't run|invalid username-password|"
    "Authentication required|invalid password|without any password configured"
)

#: What is said to a user without the right to a command or a key.
_RIGHTS = re.compile("permission|can't run|ACL failure|unknown command")

#: What each Sentinel said that was asked for a master.
_KINDS = re.compile(r"\b(?!MasterNotFound)[A-Z]\w+Error\b")


def is_refusal(error: Exception, several: bool) -> bool:
    """Tell whether the server will say so until somebody mends it.

    Arguments:
        several: whether it is one of several that are one store.
    """
    if isinstance(error, MovedError):
        return not several
    if isinstance(error, MasterNotFoundError):
        # Only if all of the Sentinels say so.
        return set(_KINDS.findall(str(error))) == {"AuthenticationError"}
    return isinstance(error, _REFUSALS) or bool(_WORDS.search(str(error)))


def is_missing_right(error: Exception) -> bool:
    """Tell whether a user of the server may not do what we do."""
    return bool(_RIGHTS.search(str(error)))


def reason_of(error: Exception, several: bool) -> str:
    """Return what is wrong, for people."""
    if isinstance(error, MovedError) and not several:
        return "this is a node of a Redis Cluster: say redis+cluster://..."
    return str(error)


def without_sentinels(error: MasterNotFoundError) -> MasterNotFoundError:
    """Return the error without what redis-py may show of a Sentinel: its password."""
    head, _, rest = str(error).partition(" : ")
    kinds = ", ".join(_KINDS.findall(rest))
    return MasterNotFoundError(f"{head}: {kinds}" if kinds else head)
