"""Connections to a database, from a URL in SQLAlchemy's or in Celery's words."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from socket import gethostname
from threading import local
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...exceptions import ConfigurationError
from ..registry import advice
from ..safe_names import QUOTING, without_password
from .table import SQLITE_CLOCK

#: The driver for each database: those whose waiting can be bounded.
DRIVERS = {
    "postgresql": "psycopg",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "sqlite": "pysqlite",
}
_MODULES = {"psycopg": "psycopg", "pymysql": "pymysql", "pysqlite": "sqlite3"}

#: Connections that a process has at most, beside one that sweeps: PostgreSQL has a
#: hundred in all, unless told otherwise.
CONNECTIONS = 10

#: Milliseconds for which SQLite waits by itself for a file that is locked.
BUSY = 10

#: When the operation of this thread has to be over, by the monotonic clock.
_deadline = local()


def engine_url(text: str) -> URL:
    """Return the URL of a database, with the driver that we use for it.

    Raises:
        ConfigurationError: if it is none, or its driver is not installed.
    """
    shown = without_password(text)
    try:
        # As some providers write it, and SQLAlchemy did before version 1.4.
        url = make_url(re.sub(r"^postgres\b", "postgresql", text.removeprefix("db+")))
        kind = url.get_backend_name()
        if kind != "sqlite" and _is_misread(url, text):
            raise ValueError("a part of the password")
    except (ArgumentError, ValueError):
        # Without the cause, which may show a part of the password.
        raise ConfigurationError(
            f"the backend's URL {shown!r} cannot be read; {QUOTING}"
        ) from None
    driver = DRIVERS[kind]
    if find_spec(_MODULES[driver]) is None:
        raise ConfigurationError(
            f"{shown!r}: locks in this database need the driver {driver}: "
            f"{advice(kind)}"
        )
    if kind == "sqlite" and not _is_file(url):
        raise ConfigurationError(
            f"{shown!r} names no file: say sqlite:////var/lib/locks.sqlite, with four "
            "slashes before an absolute path and three before a relative one, or use "
            "memory:// in tests"
        )
    return url.set(drivername=f"{kind}+{driver}")


def _is_misread(url: URL, text: str) -> bool:
    """Tell whether a part of a password is taken for a place, or a place for one."""
    login = text.partition("://")[2].rpartition("@")[0]
    return "@" in f"{url.host}{url.database}" or bool(re.search("[/?#]", login))


def _is_file(url: URL) -> bool:
    """Tell whether all connections share the locks, which those in memory do not."""
    database = url.database or ":memory:"
    # What is no path there is one of SQLite's own URIs.
    return not (url.host or database.startswith((":memory:", "file:")))


def identity(url: URL) -> str:
    """Return what tells this database from others, on every host."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:{gethostname()}:{os.path.realpath(str(url.database))}"
    port = url.port or {"postgresql": 5432}.get(url.get_backend_name(), 3306)
    told = (url.query.get(name) for name in ("host", "unix_socket", "port", "dbname"))
    more = "".join(f" {value}" for value in told if value)
    return f"{url.host or 'localhost'}:{port}/{url.database}{more}"


def open_engine(url: URL, timeout: float) -> sa.Engine:
    """Return an engine of our own, which connects when it is used.

    Every statement is a transaction unless one is begun, and every one knows a limit.

    Arguments:
        timeout: seconds that one operation may take at most.
    """
    try:
        engine = _engine(url, timeout)
    except ImportError as error:
        raise ConfigurationError(
            f"{without_password(str(url))!r}: the driver {url.get_driver_name()} is "
            f"not whole: {str(error).splitlines()[0]}; {advice(url.get_backend_name())}"
        ) from error
    except (ArgumentError, TypeError, ValueError) as error:
        # Without the cause, which may show the password.
        shown = without_password(str(url))
        raise ConfigurationError(
            f"the backend's URL {shown!r} cannot be used: {str(error).splitlines()[0]}"
        ) from None
    sa.event.listen(engine, "before_cursor_execute", _check_limit)
    if url.get_backend_name() == "postgresql":
        sa.event.listen(engine, "do_connect", _connect_bounded)
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    if url.get_backend_name() in ("mysql", "mariadb"):
        sa.event.listen(engine, "connect", partial(_prepare_mysql, timeout))
    return engine


def _engine(url: URL, timeout: float) -> sa.Engine:
    return sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        # We end our transactions, and drop a connection that is in doubt.
        pool_reset_on_return=None,
        pool_timeout=timeout,
        # One more, for the thread that sweeps.
        pool_size=CONNECTIONS + 1,
        max_overflow=0,
        poolclass=sa.QueuePool,
        connect_args=_arguments(url, timeout),
    )


@contextmanager
def limited(timeout: float) -> Iterator[None]:
    """Let all that a block asks a database take so many seconds.

    Within another such block, it is that one's.
    """
    if seconds_left() < math.inf:
        yield
        return
    try:
        _deadline.end = time.monotonic() + timeout
        yield
    finally:
        _deadline.end = math.inf


def seconds_left() -> float:
    """Return what is left of that."""
    end: float = getattr(_deadline, "end", math.inf)
    return end - time.monotonic()


def _arguments(url: URL, timeout: float) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": timeout}
    # To connect, and to be answered: a server that is frozen fails one of them.
    part = timeout / 2
    if url.get_backend_name() == "postgresql":
        # Prepared statements are none of a pooler's between us and the server.
        bounds: dict[str, Any] = {
            "tcp_user_timeout": round(timeout * 1000),
            "prepare_threshold": None,
        }
        # A database may know no encoding, and texts would come as bytes.
        bounds["client_encoding"] = "utf8"
        return {"connect_timeout": max(2, round(part)), **bounds}
    # READ COMMITTED, so that one who takes a free lock does not lock its neighbours.
    level = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
    steps = {"connect_timeout": part, "read_timeout": part, "write_timeout": part}
    return {"init_command": level, **steps}


def _check_limit(*_: Any) -> None:
    # Each answer may come in time for one, and all of them too late.
    if seconds_left() < 0:
        raise TimeoutError("the database is too slow")


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Readers and a writer do not wait for each other; the file remembers it.
    connection.execute("PRAGMA journal_mode=WAL").close()
    # A power cut may undo the last steps; it ends all processes of the host as well.
    connection.execute("PRAGMA synchronous=NORMAL").close()
    # SQLite's own pauses grow to a tenth of a second. Among a dozen processes that find
    # the file free in between, some would find it locked whenever they look.
    connection.execute(f"PRAGMA busy_timeout = {BUSY}").close()
    connection.create_function(SQLITE_CLOCK, 0, lambda: time.time_ns() // 1000)


def _prepare_mysql(timeout: float, connection: Any, _: Any) -> None:
    # A client that stands still in the middle must not keep others out for long.
    seconds = max(1, round(timeout))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET SESSION innodb_lock_wait_timeout = {seconds} "
            f"/*M!100300 , idle_transaction_timeout = {seconds} */"
        )


def _connect_bounded(dialect: Any, _: Any, args: Any, options: Any) -> Any:
    from .psycopg import BoundedConnection

    return BoundedConnection.connect(*args, **options)
