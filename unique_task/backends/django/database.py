"""Locks in one of Django's databases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakSet

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.signals import connection_created
from django.utils.connection import ConnectionDoesNotExist

from ...exceptions import ConfigurationError, LockStoreError
from ..base import Backend
from ..memory import MemoryBackend
from ..prefixed import PrefixedBackend
from ..promises import Promises
from ..registry import backend_class
from .database_options import driver_options, is_known, login_options, place_of
from .misconfigured import misconfigured
from .url import database_alias_of, database_url

_LOCKED = (
    "a transaction that has written keeps all other writers out of a file of SQLite, "
    "such as the one around a TestCase of Django: let the test use the fixture "
    "unique_store"
)

_IN_MEMORY = (
    "this database is in memory, as Django's tests have it: its locks are in this "
    "process alone, and duplicates in other processes are not seen"
)

#: For each name of a database in memory: its locks, which all threads share.
_in_memory: dict[tuple[str, str], MemoryBackend] = {}


class DjangoDatabaseBackend(PrefixedBackend):
    """Locks in the server of one of Django's databases.

    This is a :class:`SQLBackend` with the connection options of the database, and with
    connections of its own: no transaction of Django's takes a lock back, or keeps it
    from others until it ends. For a database in memory it is a :class:`MemoryBackend`.

    Django's tests change the name of a database; :meth:`current` follows it.

    Arguments:
        alias: of the database, in ``DATABASES``.
        timeout: seconds that one operation may take at most, reconnecting included.

    Attributes:
        store: the backend for the server of the database.

    Raises:
        ConfigurationError: if there is no such database, or it can hold no locks.
    """

    promises = Promises(
        restart="all",
        granularity=1e-6,
        needs="unique_task[django]",
        several_holders=True,
        lists=True,
        counts=True,
    )

    def __init__(self, alias: str = "default", *, timeout: float = 2.0) -> None:
        self.name = database_url(alias)
        self._alias = alias
        self._prefix = ""
        try:
            connection = _connection(alias)
            self._database = _name_now(alias)
            store = self._open(connection, timeout)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.name}: {error}") from error
        self._take_over(store)
        self.timeout = timeout
        self.promises = self._promises_with(store.promises)
        #: For each name that Django's tests give the database: the backend for it.
        self._by_name: dict[str, DjangoDatabaseBackend] = {self._database: self}

    @classmethod
    def from_url(cls, url: str, timeout: float) -> DjangoDatabaseBackend:
        return cls(database_alias_of(url), timeout=timeout)

    def current(self) -> Backend:
        name = _name_now(self._alias)
        if name == self._database:
            return self
        found = self._by_name.get(name)
        if found is None:
            found = type(self)(self._alias, timeout=self.timeout)
            found._by_name = self._by_name
        return self._by_name.setdefault(name, found)

    def _open(self, connection: Any, timeout: float) -> Backend:
        """Return the backend for a database; it connects at its first use."""
        vendor, self._more = connection.vendor, ""
        if not is_known(vendor):
            raise ConfigurationError(
                f"a database of the engine {connection.settings_dict['ENGINE']} keeps "
                "no locks: name one in PostgreSQL, MySQL, MariaDB or SQLite"
            )
        if vendor == "sqlite" and connection.is_in_memory_db():
            self.name = f"{self.name} (in memory)"
            where = self._alias, self._database
            return _in_memory.setdefault(where, MemoryBackend())
        kind: Any = backend_class(f"{vendor}://", "its database")
        options = _options(connection)
        place = place_of(connection, options)
        login = None if vendor == "sqlite" else partial(_login, self._alias, self.name)
        store: Any = kind(place.url, login=login, timeout=timeout)
        if vendor == "sqlite" and _is_of_tests(connection):
            store.keep_none()
        _opened.add(store)
        self.name, self._more = f"{self.name} ({store.name})", place.more
        opened: Backend = store
        return opened

    def _promises_with(self, store: Promises) -> Promises:
        if not self.shared:
            return replace(store, warning=_IN_MEMORY)
        needs = f"{DjangoDatabaseBackend.promises.needs} {store.needs}"
        return replace(store, needs=needs)

    def _identity(self) -> str:
        return f"{super()._identity()}{self._more}"

    def _reason(self, error: Exception) -> str:
        reason = super()._reason(error)
        return f"{reason}: {_LOCKED}" if "database is locked" in reason else reason


#: The stores of this process.
_opened: WeakSet[Any] = WeakSet()


def _leave(connection: Any, **_: Any) -> None:
    """Close idle connections: Django connects like this to make or drop a database.

    PostgreSQL drops none that somebody is connected to.
    """
    if connection.alias == NO_DB_ALIAS:
        for store in list(_opened):
            store.close_idle()


connection_created.connect(_leave, dispatch_uid=__name__)


def _connection(alias: str) -> Any:
    """Return this thread's connection; Django's connections connect on first use."""
    try:
        known = connections.settings
        return connections[alias]
    except ConnectionDoesNotExist:
        raise ConfigurationError(
            f"Django's DATABASES has no {alias!r}; it has {', '.join(sorted(known))}"
        ) from None
    except ImproperlyConfigured as error:
        raise misconfigured(error) from error


def _name_now(alias: str) -> str:
    """Return the name of a database; Django's tests change it in these settings."""
    return str(connections.settings[alias]["NAME"])


def _is_of_tests(connection: Any) -> bool:
    """Tell whether a file of SQLite is one that Django's tests make and delete.

    Its log would stay behind if somebody had the file open, and spoil the next one.
    """
    named = connection.settings_dict["TEST"]["NAME"]
    stem = os.path.splitext(str(named))[0]
    return bool(named) and str(connection.settings_dict["NAME"]).startswith(stem)


def _options(connection: Any) -> Mapping[str, Any]:
    try:
        return driver_options(connection)
    except ImproperlyConfigured as error:
        raise misconfigured(error) from error


def _login(alias: str, name: str) -> Mapping[str, Any]:
    """Return the options of a new connection, as they are now.

    Raises:
        LockStoreError: if the engine cannot tell them, for whatever reason.
    """
    try:
        return login_options(connections[alias])
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise LockStoreError(f"{name}: no login for a connection: {reason}") from error
