"""Tells the errors of databases apart: repeat, create the table, wait, or give up."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NotSupportedError, ProgrammingError

#: Codes of an error after which the same may succeed: SQLSTATE, or MySQL's number.
_AGAIN = {"40001", "40P01", "55P03", 1205, 1213}
#: Codes of a missing table.
_NO_TABLE = {"42P01", 1146}
#: Codes of a server that is, or has become, a replica.
_READ_ONLY = {"25006", 1290, 1836}

#: Codes of a server that has no connection left for the moment.
_FULL = {"53300", 1040, 1203, 1226}
_FULL_WORDS = re.compile(
    "too many (clients|connections)|remaining connection slots", re.IGNORECASE
)

#: Codes of an error that stays until a person mends it: no login, no right.
_REFUSED = {
    *("28000", "28P01", "3D000", "3F000", "42501"),
    *(1044, 1045, 1049, 1142, 1143, 1227, 1665, 1820, 3118, 4151),
}
#: The same in words: an error of connecting has no code, or a common one.
_REFUSED_WORDS = re.compile(
    "authentication failed|does not exist|no pg_hba.conf entry|unable to open database|"
    "not a database|readonly database|not permitted to log in|does not support SSL"
)


def translated(error: Exception, connection: sa.Connection) -> Any:
    """Return SQLAlchemy's error for one of the driver; drop a connection that broke."""
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    broken = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if broken:
        connection.invalidate(error)
    kind = dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        None, None, error, kind, connection_invalidated=broken, dialect=dialect
    )


def reason_of(error: Exception) -> str:
    """Return the driver's message in one line, without statement and parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def is_for_now(error: DBAPIError) -> bool:
    """Whether the same work may succeed at the next try."""
    again = bool(_codes(error) & (_AGAIN | _READ_ONLY))
    return is_locked(error) or again or is_full(error) or error.connection_invalidated


def is_locked(error: DBAPIError) -> bool:
    """Whether another process writes to the file of SQLite, or creates it."""
    return "database is locked" in str(error.orig)


def is_full(error: DBAPIError) -> bool:
    """Whether the server has no connection left until another one is closed."""
    return bool(_codes(error) & _FULL or _FULL_WORDS.search(str(error.orig)))


def is_read_only(error: Exception) -> bool:
    """Whether this server is read-only, where another one may not be."""
    return isinstance(error, DBAPIError) and bool(_codes(error) & _READ_ONLY)


def is_refusal(error: Exception) -> bool:
    """Whether the error stays until a person mends its cause."""
    if not isinstance(error, DBAPIError):
        return False
    # Our statements are right where we may use the table.
    wrong = isinstance(error, (ProgrammingError, NotSupportedError))
    words = _REFUSED_WORDS.search(str(error.orig))
    return bool(wrong or words or _codes(error) & _REFUSED)


def is_missing(error: DBAPIError) -> bool:
    """Whether the table is missing."""
    return bool(_codes(error) & _NO_TABLE) or "no such table" in str(error.orig)


def _codes(error: DBAPIError) -> set[Any]:
    """Return the codes of an error: SQLSTATE, or MySQL's number."""
    state = getattr(error.orig, "sqlstate", None)
    return {state, *getattr(error.orig, "args", ())[:1]}
