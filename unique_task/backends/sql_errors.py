"""What databases say when something is wrong."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

#: How a database says that we are to try again: by SQLSTATE, or number of MySQL.
_AGAIN = {"40001", "40P01", 1205, 1213}
#: And that there is no such table.
_NO_TABLE = {"42P01", 1146}
#: And that it is, or has become, a replica.
_READ_ONLY = {"25006", 1290, 1836}


def reason_of(error: Exception) -> str:
    """Return what the driver says, without the statement and its parameters."""
    return str(getattr(error, "orig", None) or error).strip()


def is_for_now(error: DBAPIError) -> bool:
    """Tell whether the same may succeed if it is done again."""
    # SQLite does not wait while another process makes the file.
    locked = "database is locked" in str(error.orig)
    again = bool(_codes(error) & (_AGAIN | _READ_ONLY))
    return locked or again or error.connection_invalidated


def is_read_only(error: Exception) -> bool:
    """Tell whether this server does not write, and another one may."""
    return isinstance(error, DBAPIError) and bool(_codes(error) & _READ_ONLY)


def is_missing(error: DBAPIError) -> bool:
    """Tell whether there is no such table."""
    return bool(_codes(error) & _NO_TABLE) or "no such table" in str(error.orig)


def _codes(error: DBAPIError) -> set[Any]:
    """What the database calls the error: SQLSTATE, or the number of MySQL."""
    state = getattr(error.orig, "sqlstate", None)
    return {state, *getattr(error.orig, "args", ())[:1]}
