"""Django's databases: locks are in them, apart from the transactions of Django's."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils.functional import SimpleLazyObject
from sqlalchemy.engine import make_url

from tests.backends.django.sql.databases import database_at, refused
from tests.backends.django.sql.token_engine.base import tokens
from tests.backends.django.stores import assert_locks
from tests.backends.stores import FIRST, SECOND, in_time, open_store
from tests.django_settings import SQLITE, django_databases
from tests.programs import run_python
from unique_task import LockStoreError
from unique_task.backends.django.database import DjangoDatabaseBackend
from unique_task.backends.findings import Level
from unique_task.backends.registry import can_hold_locks, open_backend
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired, Held
from unique_task.counting.tally import tally

LOCKS = "django-db://locks"


class Undone(Exception):
    """Ends a transaction of Django's."""


def test_a_database_is_the_server_that_django_asks(url, django):
    backend = open_store(LOCKS)

    assert backend.name.startswith("django-db://locks (")
    assert backend.fingerprint == SQLBackend(url).fingerprint
    assert backend.promises.fenced and backend.promises.counts
    assert "unique_task[django] unique_task[" in backend.promises.needs
    assert_locks(backend)
    backend.check()
    levels = {finding.name: finding.level for finding in backend.findings()}
    assert levels == dict.fromkeys(("promises", "counters", "index"), Level.OK)


def test_a_prefix_keeps_two_projects_apart(url, django):
    backend, plain = open_store(LOCKS), SQLBackend(url)
    one, two = backend.with_prefix("one:"), backend.with_prefix("two:")

    assert isinstance(one.acquire("key", FIRST, expire=10), Acquired)
    assert isinstance(two.acquire("key", SECOND, expire=10), Acquired)
    assert one.fingerprint == plain.with_prefix("one:").fingerprint
    assert isinstance(plain.get("one:key"), Held)


def test_a_transaction_of_django_does_not_take_a_lock_back(in_postgresql):
    backend = open_store(LOCKS)
    with pytest.raises(Undone), transaction.atomic(using="locks"):
        connections["locks"].cursor().execute("SELECT 1")
        assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
        raise Undone

    assert isinstance(open_store(LOCKS).acquire("key", SECOND, expire=10), Held)


@pytest.fixture
def writing(tmp_path: Any) -> Iterator[Any]:
    """A file of SQLite in which a transaction of Django's has written."""
    database = {"ENGINE": SQLITE, "NAME": tmp_path / "django.sqlite"}
    with django_databases(locks=database):
        with transaction.atomic(using="locks"):
            cursor = connections["locks"].cursor()
            cursor.execute("CREATE TABLE orders (id INT)")
            yield


def test_a_file_in_which_django_writes_has_no_other_writer(writing):
    backend = DjangoDatabaseBackend("locks", timeout=0.5)

    with in_time(0.5), pytest.raises(LockStoreError) as error:
        backend.acquire("key", FIRST, expire=10)
    assert "database is locked: a transaction that has written keeps" in str(
        error.value
    )
    assert "let the test use the fixture unique_store" in str(error.value)


def test_a_database_in_memory_has_its_locks_in_memory(tmp_path):
    for name in (":memory:", "file:shop?mode=memory&cache=shared"):
        with django_databases(locks={"ENGINE": SQLITE, "NAME": name}):
            backend, other = (DjangoDatabaseBackend("locks", timeout=t) for t in (1, 2))

            assert backend.name == "django-db://locks (in memory)"
            assert not backend.shared
            assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
            assert isinstance(other.acquire("key", SECOND, expire=10), Held)
            assert backend.release("key", FIRST.token)
        [warning] = [one for one in backend.findings() if one.level is Level.WARN]
        assert "its locks are in this process alone" in warning.found


@pytest.fixture
def own_role(postgresql: Any, postgresql_url: str) -> Iterator[str]:
    """A role that may log in, with the password "one"."""
    with postgresql.connect() as connection:
        connection.execute("CREATE ROLE porter LOGIN PASSWORD 'one' IN ROLE shop")
        yield postgresql_url
        connection.execute("DROP OWNED BY porter")
        connection.execute("DROP ROLE porter")


def test_each_new_connection_gets_the_password_of_that_moment(own_role, postgresql):
    engine = "tests.backends.django.sql.token_engine"
    tokens.append("one")
    porter = database_at(own_role, ENGINE=engine, USER="porter", PASSWORD="")
    with django_databases(locks=porter):
        backend: Any = open_store(LOCKS)
        assert_locks(backend)
        with postgresql.connect() as connection:
            connection.execute("ALTER ROLE porter PASSWORD 'two'")
        tokens.append("two")
        backend.store.close_idle()

        assert_locks(backend)


@pytest.mark.parametrize("kind", ["function", "lazy"])
def test_a_password_may_be_made_when_it_is_needed(kind, postgresql_url):
    password = make_url(postgresql_url).password
    made = {"function": lambda: password, "lazy": SimpleLazyObject(lambda: password)}
    with django_databases(locks=database_at(postgresql_url, PASSWORD=made[kind])):
        assert_locks(open_store(LOCKS))


def test_a_login_that_cannot_be_made_is_an_error_of_the_store(postgresql_url):
    answers = iter(["of no use"])
    database = database_at(postgresql_url, PASSWORD=lambda: next(answers))
    with django_databases(locks=database):
        backend = open_store(LOCKS)
        with pytest.raises(LockStoreError, match="no login for a conn.*StopIteration"):
            backend.get("key")


def test_the_role_is_the_one_that_django_assumes(own_role):
    options = {"assume_role": "shop"}
    porter = database_at(own_role, USER="porter", PASSWORD="one", OPTIONS=options)
    with django_databases(locks=porter):
        backend: Any = open_store(LOCKS)
        names = backend.store._database.run(
            lambda one: one.exec_driver_sql("SELECT session_user, current_user").one()
        )

    assert tuple(names) == ("porter", "shop")


def test_djangos_file_of_options_says_where_mysql_is(mariadb_url, tmp_path):
    parts, file = make_url(mariadb_url), tmp_path / "my.cnf"
    lines = [f"user={parts.username}", f"password='{parts.password}'"]
    lines += [f"host={parts.host}", f"port={parts.port}", "database=shop"]
    file.write_text("\n".join(["[locks]", *lines]))
    options = {"read_default_file": str(file), "read_default_group": "locks"}
    database = {"ENGINE": "django.db.backends.mysql", "OPTIONS": options}
    with django_databases(locks=database):
        backend = open_store(LOCKS)

        assert backend.fingerprint == SQLBackend(mariadb_url).fingerprint
        assert_locks(backend)


def test_no_password_is_told(postgresql_url):
    parts = make_url(postgresql_url)
    with django_databases(locks=database_at(postgresql_url, PASSWORD="sesame")):
        backend = open_store(LOCKS)
        with pytest.raises(LockStoreError) as error:
            backend.acquire("key", FIRST, expire=10)

    assert f"//shop@127.0.0.1:{parts.port}/shop)" in repr(backend)
    assert "sesame" not in repr(backend) + str(error.value)


def test_an_unknown_alias_is_an_error_that_lists_the_known(postgresql_url):
    with django_databases(orders=database_at(postgresql_url)):
        with pytest.raises(Exception) as error:
            open_store(LOCKS)

    known = "it has default, orders"
    message = f"{LOCKS}: Django's DATABASES has no 'locks'; {known}"
    assert str(error.value) == message


def test_a_database_that_keeps_no_locks_is_refused():
    assert refused({"ENGINE": ""}) == (
        f"{LOCKS}: a database of the engine django.db.backends.dummy keeps no locks: "
        "name one in PostgreSQL, MySQL, MariaDB or SQLite"
    )


def test_an_engine_that_django_cannot_make_is_an_error():
    assert refused({"ENGINE": "no.where"}).startswith(
        f"{LOCKS}: Django's settings: 'no.where' isn't an available database backend"
    )


def test_a_name_that_is_missing_is_an_error():
    message = refused({"ENGINE": "django.db.backends.postgresql"})

    assert message.startswith(f"{LOCKS}: Django's settings: ")
    assert "Please supply the NAME" in message


def test_the_url_takes_no_options():
    with pytest.raises(Exception, match="it takes no options: write them into DATAB"):
        open_store("django-db://locks?timeout=3")


def test_the_name_by_which_celery_keeps_results_there_is_no_store_of_locks():
    assert can_hold_locks("django-db://")
    assert not can_hold_locks("django-db")


MISSING = """
import sys
sys.modules["sqlalchemy"] = None
from django.conf import settings
databases = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}}
settings.configure(DATABASES=databases)
from unique_task.backends.registry import open_backend
try:
    open_backend("django-db://", timeout=2)
except Exception as error:
    print(error)
"""


def test_it_says_what_to_install_for_this_database():
    done = run_python(MISSING, check=True)

    assert "is missing; pip install 'unique_task[postgresql]'" in done.stdout


UNCONFIGURED = """
from unique_task.backends.registry import open_backend
try:
    open_backend("django-db://locks", timeout=2)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_django_without_settings_is_an_error_when_it_is_used():
    done = run_python(UNCONFIGURED, check=True)

    assert done.stdout == (
        "ConfigurationError django-db://locks: Django's settings are not configured: "
        "set DJANGO_SETTINGS_MODULE\n"
    )


@pytest.fixture
def tested(in_postgresql: None, postgresql: Any) -> Iterator[str]:
    """Django's tests have made a database of their own; yield the name of the other."""
    creation, first = connections["locks"].creation, open_backend(LOCKS, timeout=20)
    assert isinstance(first.acquire("key", FIRST, expire=100), Acquired)
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    yield "shop"
    creation.destroy_test_db("shop", verbosity=0)
    # Nobody was connected to it any more; and this is where locks are now.
    assert isinstance(open_backend(LOCKS, timeout=20).get("key"), Held)
    first.release("key", FIRST.token)
    with postgresql.connect() as connection:
        query = "SELECT count(*) FROM pg_database WHERE datname LIKE 'test_%'"
        assert connection.execute(query).fetchone() == (0,)


def test_locks_are_in_the_database_that_djangos_tests_have_made(tested):
    backend = open_backend(LOCKS, timeout=20)

    assert backend.name.endswith("/test_shop)")
    assert backend.get("key") is None
    assert_locks(backend)
    # A lease that began before is renewed where its lock is.
    assert backend is open_backend(LOCKS, timeout=20)


def test_each_process_of_djangos_tests_has_its_own(tested):
    assert_locks(open_backend(LOCKS, timeout=20))
    creation, settings = connections["locks"].creation, connections.settings["locks"]
    creation.clone_test_db(suffix="1", verbosity=0)
    settings["NAME"] = "test_shop_1"
    backend = open_backend(LOCKS, timeout=20)

    assert backend.name.endswith("/test_shop_1)")
    assert_locks(backend)
    assert_locks(backend.with_prefix("shop:"))

    settings["NAME"] = "test_shop"
    assert backend.with_prefix("shop:").current().name == (
        f"{open_backend(LOCKS, timeout=20).name} (prefix 'shop:')"
    )
    creation.destroy_test_db(suffix="1", verbosity=0)


def test_a_file_that_djangos_tests_have_made_is_gone_after_them(tmp_path):
    name, of_tests = (str(tmp_path / f"{name}.sqlite") for name in ("site", "test"))
    database = {"ENGINE": SQLITE, "NAME": name, "TEST": {"NAME": of_tests}}
    with django_databases(locks=database):
        creation = connections["locks"].creation
        creation.create_test_db(verbosity=0, serialize=False)
        backend = open_backend(LOCKS, timeout=20)
        assert of_tests in backend.name
        assert_locks(backend)
        tally.count(backend, "shop.charge", "runs")
        creation.destroy_test_db(name, verbosity=0)

        # What is counted last would make the file again.
        assert tally.flush(20)
    assert list(tmp_path.glob("test*")) == []
