"""Which options of a Django database are taken over, translated, or refused."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from tests.backends.django.sql.databases import refused
from tests.backends.stores import open_store
from tests.django_settings import MYSQL, POSTGRESQL, SQLITE, django_databases
from unique_task.backends.django.database_options import driver_options

SHOP = {"NAME": "shop", "HOST": "db"}

#: Options of psycopg 3 and psycopg2, and what becomes of them.
OF_POSTGRESQL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tls": ({"sslmode": "verify-full", "sslrootcert": "/ca"},) * 2,
    "service": ({"service": "shop", "passfile": "/pass"},) * 2,
    "search path": ({"options": "-c search_path=shop"},) * 2,
    "role": ({"assume_role": "the owner"}, {"options": "-c role=the\\ owner"}),
    "both": (
        {"options": "-c search_path=shop", "assume_role": "owner"},
        {"options": "-c search_path=shop -c role=owner"},
    ),
    "what is ours": (
        {"connect_timeout": 60, "prepare_threshold": 5, "isolation_level": 3},
        {},
    ),
    "django's": ({"server_side_binding": True}, {}),
}

#: Options of mysqlclient and PyMySQL, and what becomes of them.
OF_MYSQL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "what is ours": (
        {"charset": "utf8mb4", "init_command": "SET x = 1", "connect_timeout": 60},
        {},
    ),
    "django's": ({"isolation_level": "repeatable read"}, {}),
    "old names": ({"passwd": "sesame"}, {"password": "sesame"}),
    "tls": (
        {"ssl": {"ca": "/ca"}},
        {"ssl": {"ca": "/ca", "check_hostname": False}},
    ),
    "tls with a name": (
        {"ssl": {"ca": "/ca"}, "ssl_mode": "VERIFY_IDENTITY"},
        {"ssl": {"ca": "/ca", "check_hostname": True, "verify_mode": True}},
    ),
    "tls without a file": (
        {"ssl_mode": "REQUIRED"},
        {"ssl": {"check_hostname": False}},
    ),
    "no tls": ({"ssl_mode": "disabled"}, {"ssl_disabled": True}),
    "connector": ({"ssl_ca": "/ca", "use_pure": True}, {"ssl_ca": "/ca"}),
}


def taken(engine: str, **settings: Any) -> dict[str, Any]:
    with django_databases(locks={"ENGINE": engine, **SHOP, **settings}):
        return dict(driver_options(connections["locks"]))


@pytest.mark.parametrize("name", OF_POSTGRESQL)
def test_options_of_postgresql(name):
    options, expected = OF_POSTGRESQL[name]

    found = taken(POSTGRESQL, OPTIONS=options)

    assert found == {"dbname": "shop", "host": "db", **expected}


def test_a_pool_of_django_is_djangos_alone():
    assert taken(POSTGRESQL, OPTIONS={"pool": True}) == taken(POSTGRESQL)


@pytest.mark.parametrize("name", OF_MYSQL)
def test_options_of_mysql(name):
    options, expected = OF_MYSQL[name]

    assert taken(MYSQL, OPTIONS=options) == {
        "database": "shop",
        "host": "db",
        **expected,
    }


def test_a_socket_of_mysql_is_one():
    assert taken(MYSQL, HOST="/run/mysql.sock", USER="shop") == {
        "database": "shop",
        "unix_socket": "/run/mysql.sock",
        "user": "shop",
    }


@pytest.mark.parametrize("engine", [POSTGRESQL, MYSQL])
def test_an_option_that_our_driver_does_not_know_is_refused_by_name(engine):
    options = {"named_pipe": True, "wait_for": 3, "password": "sesame"}

    assert refused({"ENGINE": engine, **SHOP, "OPTIONS": options}) == (
        "django-db://locks: locks cannot use named_pipe and wait_for, which its "
        "OPTIONS have: remove them, or set unique_backend to a URL of this database"
    )


def test_a_mode_of_tls_that_nobody_knows_is_refused():
    message = refused({"ENGINE": MYSQL, **SHOP, "OPTIONS": {"ssl_mode": "SOME"}})

    assert "ssl_mode='SOME' in its OPTIONS: allowed are DISABLED, PREFERRED" in message


FILES = ["/tmp/a b.sqlite", Path("/tmp/a b.sqlite"), "file:///tmp/a b.sqlite?mode=rw"]


@pytest.mark.parametrize("name", FILES, ids=["text", "path", "uri"])
def test_a_file_of_sqlite(name):
    found = taken(SQLITE, NAME=name, OPTIONS={"timeout": 60, "init_command": "SELECT"})

    assert found == {"database": "/tmp/a b.sqlite"}


def test_a_file_that_cannot_be_written_is_refused():
    name = "file:/tmp/shop.sqlite?mode=ro"

    assert f"locks cannot use the options in its NAME {name!r}" in refused(
        {"ENGINE": SQLITE, "NAME": name}
    )


#: Settings of two databases that a URL alone does not tell apart.
ALIKE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sockets": ({"HOST": "/run/one"}, {"HOST": "/run/two"}),
    "hosts": ({"HOST": "one,two"}, {"HOST": "one,three"}),
    "ports": ({"PORT": "1,2"}, {"PORT": "1,3"}),
    "services": (
        {"NAME": "", "OPTIONS": {"service": "one"}},
        {"NAME": "", "OPTIONS": {"service": "two"}},
    ),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_what_a_url_cannot_say_tells_stores_apart(kind):
    one, two = ({"ENGINE": POSTGRESQL, **SHOP, **more} for more in ALIKE[kind])
    with django_databases(one=one, two=two):
        stores = [open_store(f"django-db://{alias}") for alias in ("one", "two")]

    assert len({store.fingerprint for store in stores}) == 2
