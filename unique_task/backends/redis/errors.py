"""Tells errors of Redis and its client apart, and words them for people."""

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

#: Errors that stay until a person mends their cause.
_REFUSALS = (
    redis.AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
)
#: The same where they have no class of their own, or are quoted.
_WORDS = re.compile(
    "DB index is out of range|unknown command|ACL failure in script|"
    "user executing the script can't run|invalid username-password|"
    "Authentication required|invalid password|without any password configured"
)

#: Words of errors about a missing right to a command or a key.
_RIGHTS = re.compile("permission|can't run|ACL failure|unknown command")

#: The class of each Sentinel's error in the text of a MasterNotFoundError.
_KINDS = re.compile(r"\b(?!MasterNotFound)[A-Z]\w+Error\b")


def is_refusal(error: Exception, several: bool) -> bool:
    """Whether the error stays until a person mends its cause.

    Arguments:
        several: whether several servers are the store.
    """
    if isinstance(error, MovedError):
        return not several
    if isinstance(error, MasterNotFoundError):
        # Only if each of the Sentinels refused us.
        return set(_KINDS.findall(str(error))) == {"AuthenticationError"}
    return isinstance(error, _REFUSALS) or bool(_WORDS.search(str(error)))


def is_missing_right(error: Exception) -> bool:
    """Whether our user lacks a right on the server."""
    return bool(_RIGHTS.search(str(error)))


def reason_of(error: Exception, several: bool) -> str:
    """Return the reason of an error, for people."""
    if isinstance(error, MovedError) and not several:
        return "this is a node of a Redis Cluster: use redis+cluster://..."
    return str(error)


def without_sentinels(error: MasterNotFoundError) -> MasterNotFoundError:
    """Return the error without the password of a Sentinel, which redis-py may show."""
    head, _, rest = str(error).partition(" : ")
    kinds = ", ".join(_KINDS.findall(rest))
    return MasterNotFoundError(f"{head}: {kinds}" if kinds else head)
