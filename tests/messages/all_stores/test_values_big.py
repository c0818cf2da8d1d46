"""A value that the store of locks does not take is not kept; all else is as ever."""

from collections.abc import Iterator

import pytest

from unique_task import unique
from unique_task.backends.registry import backend_class

pytest_plugins = "tests.inprocess_fixtures"

MEGABYTE = 2**20


@pytest.fixture
def mariadb_of_small_packets(mariadb, mariadb_url) -> Iterator[str]:
    change = "SET GLOBAL max_allowed_packet = {}"
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@global.max_allowed_packet")
        [before] = cursor.fetchone()
        cursor.execute(change.format(MEGABYTE))
        yield mariadb_url
        cursor.execute(change.format(before))


@pytest.mark.parametrize("store", ["memcached_url", "mariadb_of_small_packets"])
def test_a_value_that_is_too_big_keeps_no_lock(app, caplog, request, store):
    runs = []
    # With connections of its own: older ones have the server's old limit.
    url = request.getfixturevalue(store)
    backend = backend_class(url).from_url(url, timeout=2)

    @app.task
    @unique(on_duplicate="cached", backend=backend)
    def report():
        runs.append("")
        return "x" * (3 * MEGABYTE)

    assert len(report()) == len(report()) == 3 * MEGABYTE

    assert len(runs) == 2
    [said, _] = caplog.messages
    assert "its value of 3145" in said and "is not kept for duplicates" in said
