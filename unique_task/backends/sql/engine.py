"""Opens connections to a database from a URL, as SQLAlchemy or Celery spells it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from socket import gethostname
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...exceptions import ConfigurationError
from ..registry import advice
from ..safe_names import QUOTING, without_password
from .deadline import check_time
from .table import SQLITE_CLOCK

#: The driver for each database. We use drivers whose waiting can be bounded.
DRIVERS = {
    "postgresql": "psycopg",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "sqlite": "pysqlite",
}
_MODULES = {"psycopg": "psycopg", "pymysql": "pymysql", "pysqlite": "sqlite3"}

#: Connections that a process has at most, beside the one of the sweeper: PostgreSQL
#: allows a hundred in all by default.
CONNECTIONS = 10

#: Milliseconds that SQLite itself waits for a locked file.
BUSY = 10

#: Returns options for the driver that are not in the URL; asked for each connection.
Login = Callable[[], Mapping[str, Any]]


def engine_url(given: str | URL) -> URL:
    """Return the URL of a database, with the driver that we use for it.

    Raises:
        ConfigurationError: if `given` is no such URL, or the driver is not installed.
    """
    shown = without_password(str(given))
    url = _parsed(given, shown) if isinstance(given, str) else given
    kind = url.get_backend_name()
    driver = DRIVERS[kind]
    if find_spec(_MODULES[driver]) is None:
        raise ConfigurationError(
            f"{shown!r}: locks in this database need the driver {driver}: "
            f"{advice(kind)}"
        )
    if kind == "sqlite" and not _is_file(url):
        raise ConfigurationError(
            f"{shown!r} names no file: use sqlite:////var/lib/locks.sqlite, with four "
            "slashes before an absolute path and three before a relative one, or use "
            "memory:// in tests"
        )
    return url.set(drivername=f"{kind}+{driver}")


def _parsed(text: str, shown: str) -> URL:
    """Return the parts of a URL as Celery, SQLAlchemy or a provider writes it."""
    try:
        # Some providers write "postgres", as SQLAlchemy did before version 1.4.
        url = make_url(re.sub(r"^postgres\b", "postgresql", text.removeprefix("db+")))
        if url.get_backend_name() != "sqlite" and _is_misread(url, text):
            raise ValueError("a part of the password")
        return url
    except (ArgumentError, ValueError):
        # Without the cause, which may show a part of the password.
        raise ConfigurationError(
            f"the backend's URL {shown!r} cannot be read; {QUOTING}"
        ) from None


def _is_misread(url: URL, text: str) -> bool:
    """Whether a part of the password was read as a place, or a place as one."""
    login = text.partition("://")[2].rpartition("@")[0]
    return "@" in f"{url.host}{url.database}" or bool(re.search("[/?#]", login))


def _is_file(url: URL) -> bool:
    """Whether the database is a file, which all connections share."""
    database = url.database or ":memory:"
    # A host, or "file:", belongs to one of SQLite's own URIs, not to a path.
    return not (url.host or database.startswith((":memory:", "file:")))


def identity(url: URL) -> str:
    """Return a text that tells this database from others, equal on every host."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        return f"sqlite:{gethostname()}:{os.path.realpath(str(url.database))}"
    port = url.port or {"postgresql": 5432}.get(kind, 3306)
    options = (
        url.query.get(name) for name in ("host", "unix_socket", "port", "dbname")
    )
    more = "".join(f" {value}" for value in options if value)
    return f"{url.host or 'localhost'}:{port}/{url.database}{more}"


def open_engine(url: URL, timeout: float, login: Login | None = None) -> sa.Engine:
    """Return an engine of our own, which connects at its first use.

    Every statement is a transaction unless one is begun, and every one has a limit.

    Arguments:
        timeout: seconds that one operation may take at most.
        login: returns options for the driver, which win over those of the URL.
    """
    engine = _created(url, timeout)
    sa.event.listen(engine, "before_cursor_execute", check_time)
    if login is not None:
        sa.event.listen(engine, "do_connect", partial(_log_in, login))
    kind = url.get_backend_name()
    if kind == "postgresql":
        sa.event.listen(engine, "do_connect", _connect_bounded)
    elif kind == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    else:
        sa.event.listen(engine, "connect", partial(_prepare_mysql, timeout))
    return engine


def _created(url: URL, timeout: float) -> sa.Engine:
    try:
        return _engine(url, timeout)
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


def _engine(url: URL, timeout: float) -> sa.Engine:
    return sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        # Connections are kept elsewhere; see connections.py.
        poolclass=sa.NullPool,
        # We end our transactions ourselves, and drop a connection that is in doubt.
        pool_reset_on_return=None,
        connect_args=_arguments(url, timeout),
    )


def _arguments(url: URL, timeout: float) -> dict[str, Any]:
    """Return the options of the driver that bound its waiting."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        return {"timeout": timeout}
    # Half to connect and half to be answered: a frozen server fails one of them.
    part = timeout / 2
    return _of_postgresql(timeout, part) if kind == "postgresql" else _of_mysql(part)


def _of_postgresql(timeout: float, part: float) -> dict[str, Any]:
    return {
        "connect_timeout": max(2, round(part)),
        "tcp_user_timeout": round(timeout * 1000),
        # A pooler between us and the server does not know prepared statements.
        "prepare_threshold": None,
        # If the database names no encoding, texts come as bytes.
        "client_encoding": "utf8",
    }


def _of_mysql(part: float) -> dict[str, Any]:
    return {
        "connect_timeout": part,
        "read_timeout": part,
        "write_timeout": part,
        # READ COMMITTED: whoever takes a free lock does not lock its neighbours.
        "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    }


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Readers and a writer do not wait for each other; the file keeps the mode.
    connection.execute("PRAGMA journal_mode=WAL").close()
    # A power cut may undo the last steps; it also ends all processes of the host.
    connection.execute("PRAGMA synchronous=NORMAL").close()
    # SQLite's own pauses grow to a tenth of a second. Where a dozen processes use the
    # file in between, some of them would find it locked at each try.
    connection.execute(f"PRAGMA busy_timeout = {BUSY}").close()
    connection.create_function(SQLITE_CLOCK, 0, lambda: time.time_ns() // 1000)


def _prepare_mysql(timeout: float, connection: Any, _: Any) -> None:
    # A client that stalls in a transaction must not keep others out for long.
    seconds = max(1, round(timeout))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET SESSION innodb_lock_wait_timeout = {seconds} "
            f"/*M!100300 , idle_transaction_timeout = {seconds} */"
        )


def _log_in(login: Login, dialect: Any, _: Any, args: Any, options: Any) -> None:
    options.update(login())


def _connect_bounded(dialect: Any, _: Any, args: Any, options: Any) -> Any:
    from .postgresql import BoundedConnection

    return BoundedConnection.connect(*args, **options)
