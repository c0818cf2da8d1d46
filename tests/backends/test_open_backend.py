"""From a URL to a backend, one for each process."""

import select
import socket
import sys
from threading import Barrier, Thread

import pytest

import unique_task
from tests.forking import in_fork
from tests.programs import run_python
from unique_task import ConfigurationError, MemoryBackend, RedisBackend
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.registry import (
    BACKENDS,
    backend_class,
    can_hold_locks,
    open_backend,
)
from unique_task.backends.steps import Acquired

REDIS_SCHEMES = [
    *("redis", "rediss", "redis+socket", "valkey", "valkeys"),
    *("sentinel", "redis+cluster", "rediss+cluster"),
]

SEVERAL = [
    "sentinel://one:26379/0;sentinel://two:26379/0",
    "redis+cluster://one;redis+cluster://two",
]

NO_STORES = ["amqp://localhost", "rpc://", "disabled://", "", "localhost"]

#: What begins, or goes on, as a scheme that is known.
ALMOST = [
    *("redis+sentinel://one/0", "redis+foo://one/0", "sentinel+tls://one/0"),
    *("memcached+x://one", "memory+x://", "django-cache+x://default"),
    *("db+redis://one/0", "db+memory://", "db+memcached://one"),
]


@pytest.mark.parametrize("url", ["memory://", "cache+memory://"])
def test_memory_is_found_also_as_celery_spells_it(url):
    assert backend_class(url) is MemoryBackend


@pytest.mark.parametrize("scheme", REDIS_SCHEMES)
def test_every_spelling_of_redis_is_found(scheme):
    assert backend_class(f"{scheme}://localhost/0") is RedisBackend


@pytest.mark.parametrize("scheme", BACKENDS)
def test_every_known_scheme_has_a_class_and_can_hold_locks(scheme):
    assert issubclass(backend_class(f"{scheme}://"), Backend)
    assert can_hold_locks(f"{scheme}://")


@pytest.mark.parametrize("url", SEVERAL)
def test_several_servers_that_are_one_store_can_hold_locks(url):
    assert can_hold_locks(url)


@pytest.mark.parametrize("url", NO_STORES)
def test_a_store_that_cannot_hold_locks_is_told_apart(url):
    assert not can_hold_locks(url)


@pytest.mark.parametrize("url", ALMOST)
def test_only_a_database_has_a_driver_or_the_prefix_of_one(url):
    assert not can_hold_locks(url)
    with pytest.raises(ConfigurationError, match="no store of locks has such URLs"):
        open_backend(url, timeout=2)


def test_an_unknown_scheme_is_an_error_that_lists_the_known():
    with pytest.raises(ConfigurationError, match="mariadb, memcached, memory") as error:
        open_backend("mongodb://localhost", timeout=2)

    assert "pip install unique_task[postgresql], [mysql]" in str(error.value)


def test_the_error_does_not_tell_the_password():
    with pytest.raises(ConfigurationError) as error:
        open_backend("mongodb://shop:sesame@localhost", timeout=2)

    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:pa;ss@h/0", "postgresql://u:p;w@h/db", "sqlite:////tmp/a;b/x"),
        "db+sqlite:////tmp/me@home;b/x",
    ],
)
def test_a_semicolon_does_not_always_stand_between_servers(url):
    assert can_hold_locks(url)
    open_backend(url, timeout=2)


def test_one_url_is_one_backend():
    backend = open_backend("memory://", timeout=2)

    assert open_backend("memory://", timeout=2) is backend


def test_another_url_is_another_backend():
    one = open_backend("redis://localhost/1", timeout=2)

    assert open_backend("redis://localhost/2", timeout=2) is not one


def test_threads_that_open_a_store_together_get_the_same():
    # In memory, two backends would be two sets of locks.
    found = [opened_by_threads(4, timeout=100 + number) for number in range(100)]

    assert [len(backends) for backends in found] == [1] * 100


def opened_by_threads(count: int, timeout: float) -> set[Backend]:
    """The backends of so many threads that open one URL at once, for the first time."""
    together, found = Barrier(count, timeout=60), set()

    def find() -> None:
        together.wait()
        found.add(open_backend("memory://", timeout))

    threads = [Thread(target=find) for _ in range(count)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(before)
    return found


def test_nothing_connects_before_it_is_used():
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_backend(f"redis://127.0.0.1:{server.getsockname()[1]}/0", timeout=2)

        assert not select.select([server], [], [], 0)[0]


def test_a_fork_opens_its_own():
    backend = open_backend("memory://", timeout=3)
    backend.acquire("key", Record("parent/0/0//ab"), expire=10)

    def in_child() -> bool:
        own = open_backend("memory://", timeout=3)
        answer = own.acquire("key", Record("child/0/0//ab"), expire=10)
        return own is not backend and isinstance(answer, Acquired)

    assert in_fork(in_child)
    assert open_backend("memory://", timeout=3) is backend


@pytest.mark.parametrize(
    "url, module, extra",
    [
        ("postgresql://shop:sesame@db/shop", "sqlalchemy", "postgresql"),
        ("db+postgresql+psycopg2://shop:sesame@db/shop", "sqlalchemy", "postgresql"),
        ("postgres://shop:sesame@db/shop", "sqlalchemy", "postgresql"),
        ("postgresql://shop:sesame@db/shop", "psycopg", "postgresql"),
        ("mysql://shop:sesame@db/shop", "sqlalchemy", "mysql"),
        ("mysql://shop:sesame@db/shop", "pymysql", "mysql"),
        ("mariadb://shop:sesame@db/shop", "sqlalchemy", "mysql"),
        ("sqlite:////tmp/locks.sqlite", "sqlalchemy", "sqlalchemy"),
        ("cache+memcached://shop:11211", "pymemcache", "memcached"),
        ("memcached://shop:11211", "pymemcache", "memcached"),
        ("django-cache://shop", "django", "django"),
    ],
)
def test_a_missing_driver_is_an_error_that_says_what_to_install(url, module, extra):
    with pytest.raises(ConfigurationError, match="pip install") as error:
        raise in_fork(lambda: error_without(module, url))

    assert f"unique_task[{extra}]" in str(error.value)
    assert ("psycopg[binary]" in str(error.value)) == (extra == "postgresql")
    assert "sesame" not in str(error.value)


def error_without(module: str, url: str) -> Exception:
    """Open a backend where a module is not installed."""
    for name in [*sys.modules]:
        if name.partition(".")[0] == module or name.startswith("unique_task.backends."):
            del sys.modules[name]
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        open_backend(url, timeout=2)
    except Exception as error:
        return ConfigurationError(f"{type(error).__name__}: {error}")
    raise AssertionError("it opened")


@pytest.mark.parametrize(
    "name",
    [
        *("SQLBackend", "MemcachedBackend"),
        "DjangoCacheBackend",
        "DjangoDatabaseBackend",
    ],
)
def test_backends_with_extras_are_imported_when_they_are_asked_for(name):
    assert issubclass(getattr(unique_task, name), Backend)
    with pytest.raises(AttributeError, match="Unknown"):
        getattr(unique_task, f"Unknown{name}")


@pytest.mark.parametrize(
    "name, module, extra",
    [
        ("SQLBackend", "sqlalchemy", "postgresql"),
        ("MemcachedBackend", "pymemcache", "memcached"),
        ("DjangoCacheBackend", "django", "django"),
    ],
)
def test_a_class_whose_driver_is_missing_says_what_to_install(name, module, extra):
    code = f"import sys; sys.modules['{module}'] = None; from unique_task import {name}"
    done = run_python(code)

    message = done.stderr.splitlines()[-1]
    assert (
        message.startswith("ModuleNotFoundError") and f"unique_task[{extra}]" in message
    )
