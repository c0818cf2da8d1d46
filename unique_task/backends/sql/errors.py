"""What databases say when something is wrong."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.exc import DBAPIError, NotSupportedError, ProgrammingError

#: How a database says that we are to try again: by SQLSTATE, or number of MySQL.
_AGAIN = {"40001", "40P01", "55P03", 1205, 1213}
#: And that there is no such table.
_NO_TABLE = {"42P01", 1146}
#: And that it is, or has become, a replica.
_READ_ONLY = {"25006", 1290, 1836}

#: And that it has no connection left, for the moment.
_FULL = {"53300", 1040, 1203, 1226}
_FULL_WORDS = re.compile(
    "too many (clients|connections)|remaining connection slots", re.IGNORECASE
)

#: And that nobody gets in, or may do what we do, until somebody sees to it.
_REFUSED = {
    *("28000", "28P01", "3D000", "3F000", "42501"),
    *(1044, 1045, 1049, 1142, 1143, 1227, 1665, 1820, 3118, 4151),
}
#: The same in words: to connect there is no code, or none of its own.
_REFUSED_WORDS = re.compile(
    "authentication failed|does not exist|no pg_hba.conf entry|unable to open database|"
    "not a database|readonly database|not permitted to log in|does not support SSL"
)


def reason_of(error: Exception) -> str:
    """Return what the driver says, without the statement and its parameters."""
    return str(getattr(error, "orig", None) or error).strip()


def is_for_now(error: DBAPIError) -> bool:
    """Tell whether the same may succeed if it is done again."""
    again = bool(_codes(error) & (_AGAIN | _READ_ONLY))
    return is_locked(error) or again or is_full(error) or error.connection_invalidated


def is_locked(error: DBAPIError) -> bool:
    """Tell whether another process writes to the file of SQLite, or makes it."""
    return "database is locked" in str(error.orig)


def is_full(error: DBAPIError) -> bool:
    """Tell whether the server has no connection left, until another one is closed."""
    return bool(_codes(error) & _FULL or _FULL_WORDS.search(str(error.orig)))


def is_read_only(error: Exception) -> bool:
    """Tell whether this server does not write, and another one may."""
    return isinstance(error, DBAPIError) and bool(_codes(error) & _READ_ONLY)


def is_refusal(error: Exception) -> bool:
    """Tell whether the database will say so until somebody mends it."""
    if not isinstance(error, DBAPIError):
        return False
    # What we say is right where the table is ours to use.
    wrong = isinstance(error, (ProgrammingError, NotSupportedError))
    words = _REFUSED_WORDS.search(str(error.orig))
    return bool(wrong or words or _codes(error) & _REFUSED)


def is_missing(error: DBAPIError) -> bool:
    """Tell whether there is no such table."""
    return bool(_codes(error) & _NO_TABLE) or "no such table" in str(error.orig)


def _codes(error: DBAPIError) -> set[Any]:
    """What the database calls the error: SQLSTATE, or the number of MySQL."""
    state = getattr(error.orig, "sqlstate", None)
    return {state, *getattr(error.orig, "args", ())[:1]}
