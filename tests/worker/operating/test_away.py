"""A store or a broker that is away: the command says so, and ends in time."""

import time
from dataclasses import replace

import pytest

from tests.servers import Proxy
from tests.servers.process import free_port
from tests.worker.tasks_exits import leave

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

#: Seconds for which a command waits for a store, and for the workers, at most; and
#: what a busy machine needs to start a program.
AT_MOST = 2 + 2 * (1 + 3) + 40


@pytest.fixture(params=["refuses", "is silent"])
def away(request, redis_server):
    """The URL of a server that is away."""
    if request.param == "refuses":
        yield f"redis://localhost:{free_port()}/0"
        return
    with Proxy(redis_server.url) as proxy:
        proxy.hang()
        yield proxy.url


def words(command: str) -> tuple[str, ...]:
    if command in ("ls", "stats"):
        return (command,)
    if command in ("show", "release"):
        return command, "0" * 32
    return command, leave.name, "--args", '["key"]'


@pytest.mark.parametrize("command", ["show", "explain", "ls", "release", "stats"])
def test_a_store_that_is_away_is_named(unique, away, command):
    unique = replace(unique, urls={**unique.urls, "locks": away})
    began = time.monotonic()

    done = unique(*words(command))

    assert done.code == 69
    assert away in done.err
    assert "Traceback" not in done.err
    assert time.monotonic() - began < AT_MOST


@pytest.mark.parametrize("command", ["show", "explain"])
def test_without_a_broker_the_locks_are_shown(unique, away, command):
    unique = replace(unique, urls={**unique.urls, "broker": away})
    began = time.monotonic()

    done = unique(*words(command))

    assert done.code == 0, done.err
    assert time.monotonic() - began < AT_MOST
    if command == "show":
        assert "waiting: unknown (the broker does not answer" in done.out


def test_where_no_worker_runs_nobody_answers(unique):
    done = unique("show", "0" * 32)

    assert "waiting: unknown (none answered within 1 s)" in done.out


def test_a_store_that_cannot_list_says_so(unique):
    unique = replace(unique, urls={**unique.urls, "locks": "memcached://localhost:1"})

    done = unique("ls")

    assert done.code == 69
    assert "memcached://localhost:1: the store cannot list its locks" in done.err


def test_of_locks_in_memory_it_says_that_only_its_own_are_seen(unique):
    unique = replace(unique, urls={**unique.urls, "locks": "memory://"})

    done = unique("ls")

    assert done.code == 69
    assert "no lock is held" not in done.out
    assert "each process has locks of its own there" in done.err
