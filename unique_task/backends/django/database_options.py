"""Translates the connection options of a Django database for our own connections."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...exceptions import ConfigurationError

# Drivers are imported late: that they are missing is an error that says what to do.
if TYPE_CHECKING:
    from sqlalchemy.engine import URL

Options = Mapping[str, Any]

#: Options that say how Django asks, or how long it waits: for locks, that is ours.
_ASKING = {
    *("autocommit", "connect_timeout", "isolation_level", "cursor_factory"),
    # Of psycopg and psycopg2.
    *("client_encoding", "connection_factory", "context", "prepare_threshold"),
    *("pool", "row_factory", "tcp_user_timeout"),
    # Of mysqlclient, PyMySQL and MySQL Connector. Our columns name their character set.
    *("binary_prefix", "buffered", "charset", "client_flag", "collation", "compress"),
    *("consume_results", "conv", "converter_class", "cursorclass", "init_command"),
    *("local_infile", "raise_on_warnings", "read_timeout", "sql_mode", "use_pure"),
    *("use_unicode", "write_timeout"),
}

#: Options for the server and the user that PyMySQL takes under the same names.
_OF_PYMYSQL = {
    *("user", "password", "host", "port", "unix_socket", "database", "bind_address"),
    *("program_name", "read_default_file", "read_default_group", "server_public_key"),
    *("ssl", "ssl_ca", "ssl_cert", "ssl_disabled", "ssl_key", "ssl_key_password"),
    *("ssl_verify_cert", "ssl_verify_identity"),
}

#: Old names of the same.
_RENAMED = {"db": "database", "passwd": "password"}

#: ``ssl_mode`` of mysqlclient -> the same in PyMySQL, where a name is checked if
#: nothing says otherwise.
_SSL_MODES: dict[str, Options] = {
    "DISABLED": {"ssl_disabled": True},
    "PREFERRED": {},
    "REQUIRED": {"ssl": {"check_hostname": False}},
    "VERIFY_CA": {"ssl": {"check_hostname": False, "verify_mode": True}},
    "VERIFY_IDENTITY": {"ssl": {"check_hostname": True, "verify_mode": True}},
}

#: A name or an address of one host.
_HOST = re.compile(r"[\w.:-]+")


@dataclass(frozen=True)
class Place:
    """Where a database is.

    Attributes:
        url: of the server and the database, as far as a URL can say it.
        more: what else tells it from others.
    """

    url: URL
    more: str = ""


def driver_options(connection: Any) -> Options:
    """Return what our driver gets to connect to the database of `connection`.

    Those of the engine's own ``get_connection_params()``: an engine may make a password
    there that is good for some minutes. Nothing connects.

    Raises:
        ConfigurationError: if an option cannot be taken over.
    """
    options = dict(connection.get_connection_params())
    for name in _ASKING:
        options.pop(name, None)
    if "password" in options:
        options["password"] = _text(options["password"])
    return _TRANSLATED[connection.vendor](connection, options)


def login_options(connection: Any) -> Options:
    """Return what :func:`driver_options` does, without the name of the database.

    A store stays where it is: the database may have another name meanwhile.
    """
    options = driver_options(connection)
    names = ("dbname", "database")
    return {name: value for name, value in options.items() if name not in names}


def place_of(connection: Any, options: Options) -> Place:
    """Return where the database of `connection` is.

    Arguments:
        options: as :func:`driver_options` returns them.
    """
    return _PLACES[connection.vendor](options)


def is_known(vendor: str) -> bool:
    """Tell whether a database of this vendor can hold locks."""
    return vendor in _PLACES


def _text(password: Any) -> str:
    """Return a password that may be a function, or be made when it is read."""
    return str(password() if callable(password) else password)


def _for_postgresql(connection: Any, options: dict[str, Any]) -> Options:
    from psycopg import pq

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    _refuse(set(options) - known)
    role = connection.settings_dict["OPTIONS"].get("assume_role")
    if role:
        # As Django does by SET ROLE, but without a round trip.
        quoted = re.sub(r"([\\ ])", r"\\\1", str(role))
        options["options"] = f"{options.get('options', '')} -c role={quoted}".strip()
    return options


def _for_mysql(connection: Any, options: dict[str, Any]) -> Options:
    for old, new in _RENAMED.items():
        if old in options:
            options.setdefault(new, options.pop(old))
    mode = str(options.pop("ssl_mode", "PREFERRED")).upper()
    _refuse(set(options) - _OF_PYMYSQL)
    if mode not in _SSL_MODES:
        raise ConfigurationError(
            f"ssl_mode={mode!r} in its OPTIONS: allowed are {', '.join(_SSL_MODES)}"
        )
    more = dict(_SSL_MODES[mode])
    if isinstance(options.get("ssl"), Mapping) and options["ssl"]:
        more["ssl"] = {"check_hostname": False, **options["ssl"], **more.get("ssl", {})}
    return {**options, **more}


def _refuse(names: Iterable[str]) -> None:
    if names:
        raise ConfigurationError(
            f"locks cannot use {' and '.join(sorted(names))}, which its OPTIONS have: "
            "remove them, or set unique_backend to a URL of this database"
        )


def _for_sqlite(connection: Any, options: dict[str, Any]) -> Options:
    # All others say how Django asks.
    return {"database": _path(str(options["database"]))}


def _path(name: str) -> str:
    """Return the path of a file of SQLite, which Django may have as a URI."""
    if not name.startswith("file:"):
        return name
    path, _, query = name.removeprefix("file:").partition("?")
    if query and not re.fullmatch("mode=rwc?", query) or not path:
        raise ConfigurationError(
            f"locks cannot use the options in its NAME {name!r}: write the path of the "
            "file alone"
        )
    return re.sub("^//(localhost)?/", "/", path)


def _postgresql(options: Options) -> Place:
    place = _url("postgresql", options, options.get("dbname"))
    service = options.get("service")
    return Place(place.url, place.more + (f" service={service}" if service else ""))


def _mysql(options: Options) -> Place:
    options = {**_from_file(options), **options}
    place = _url("mysql", options, options.get("database"))
    socket = options.get("unix_socket")
    return Place(place.url, place.more + (f" {socket}" if socket else ""))


def _from_file(options: Options) -> Options:
    """Return what MySQL's file of options says of the place, as PyMySQL reads it."""
    path = options.get("read_default_file")
    if not path:
        return {}
    from pymysql.optionfile import Parser

    group, parser = options.get("read_default_group") or "client", Parser()
    parser.read(path)
    names = {"host": "host", "port": "port", "user": "user", "database": "database"}
    names["socket"] = "unix_socket"
    return {
        new: parser.get(group, old)
        for old, new in names.items()
        if parser.has_option(group, old)
    }


def _url(kind: str, options: Options, database: Any) -> Place:
    from sqlalchemy.engine import URL

    host, port = options.get("host"), options.get("port")
    plain_host = host if host and _HOST.fullmatch(str(host)) else None
    plain_port = int(port) if port and str(port).isdigit() else None
    more = [str(host or "")] * (plain_host is None)
    more += [str(port or "")] * (plain_port is None)
    url = URL.create(
        kind,
        username=options.get("user"),
        host=plain_host,
        port=plain_port,
        database=database,
    )
    return Place(url, "".join(f" {one}" for one in more if one))


def _sqlite(options: Options) -> Place:
    return _url("sqlite", {}, options["database"])


#: Vendor of a connection -> what translates its options.
_TRANSLATED: dict[str, Callable[[Any, dict[str, Any]], Options]] = {
    "postgresql": _for_postgresql,
    "mysql": _for_mysql,
    "sqlite": _for_sqlite,
}

#: Vendor of a connection -> what finds the place in the translated options.
_PLACES: dict[str, Callable[[Options], Place]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "sqlite": _sqlite,
}
