"""Locks that several hold, in a database: what they cost, and which rows they leave."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST, LEASE, SECOND, record_of
from tests.servers import Proxy
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.holders import range_of
from unique_task.backends.sql.table import holders_prefix
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed

#: Rows beside those of one lock: so many that to read them all takes longer.
OTHERS = 2000


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with Proxy(url) as proxy:
        yield proxy


@pytest.fixture
def backend(proxy: Proxy) -> Any:
    """Connected, with all statements prepared, and with a lock that was freed."""
    backend: Any = SQLBackend(proxy.url)
    backend.check()
    for _ in range(2):
        backend.acquire("key", FIRST, 10, limit=3)
        backend.release("key", FIRST.token, limit=3)
    return backend


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def any_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(any_url: str) -> Any:
    return SQLBackend(any_url)


@pytest.fixture
def rows(any_url: str) -> Iterator[Any]:
    """Return how many rows of holders a key has."""
    engine = sa.create_engine(any_url, poolclass=sa.NullPool)
    count = "SELECT count(*) FROM unique_task_locks WHERE name LIKE :names"

    def rows_of(key: str) -> int:
        with engine.connect() as connection:
            names = {"names": f"{holders_prefix(key)}%"}
            return int(connection.scalar(sa.text(count), names) or 0)

    yield rows_of
    engine.dispose()


def trips(proxy: Proxy, work: Any) -> int:
    before = proxy.requests
    work()
    return proxy.requests - before


# What they cost


def test_one_of_several_is_taken_and_released_by_one_trip_each(backend, proxy):
    for record in (FIRST, SECOND):
        take = lambda: backend.acquire("key", record, LEASE, limit=3)  # noqa: B023,E731
        assert trips(proxy, take) == 1
    held = {one.record.token for one in backend.holders("key")}
    assert held == {FIRST.token, SECOND.token}

    for record in (SECOND, FIRST):
        free = lambda: backend.release("key", record.token, limit=3)  # noqa: B023,E731
        assert trips(proxy, free) == 1
    assert backend.holders("key") == []


def test_one_of_several_is_reserved_by_one_trip(backend, proxy):
    def reserve() -> None:
        backend.reserve("key", FIRST, LEASE, replaceable=False, limit=3)

    assert trips(proxy, reserve) == 1
    assert backend.get("key").record.token == FIRST.token


def test_ten_places_are_renewed_by_one_transaction(backend, proxy):
    records = [record_of(f"task {number}") for number in range(10)]
    fences = [backend.acquire("key", one, 10, limit=10).fence for one in records]
    renewals = [
        Renewal("key", one, fence, 9, limit=10) for one, fence in zip(records, fences)
    ]

    # Its begin, the anchors, the places, the anchors again, its end.
    assert trips(proxy, lambda: backend.renew(renewals)) == 5


def test_a_place_in_sqlite_takes_four_statements(sqlite_url):
    backend: Any = SQLBackend(sqlite_url)
    backend.acquire("key", FIRST, LEASE, limit=3)
    statements: list[str] = []
    backend._database.run(
        lambda one: one.connection.driver_connection.set_trace_callback(
            lambda text: statements.append(text.partition(" ")[0])
        )
    )

    backend.acquire("key", SECOND, LEASE, limit=3)
    backend.release("key", SECOND.token, limit=3)

    take, leave = ["BEGIN", "UPDATE", "INSERT", "COMMIT"], ["BEGIN", "UPDATE", "DELETE"]
    assert statements == [*take, *leave, "COMMIT"]


def test_the_rows_of_holders_are_found_by_the_primary_key(store, any_url):
    """Among many other rows, none of them is read."""
    for number in range(5):
        store.acquire("key", record_of(f"task {number}"), LEASE, limit=7)
    fill(any_url)
    holders = store._changes._holders
    wanted = {**range_of("key"), "now": round(time.time() * 1e6), "most": 3}

    for statement in (holders.ending, holders.over, holders.count):
        plan = plan_of(any_url, statement, wanted)
        assert any(name in plan for name in PRIMARY), plan


#: The index of the primary key, as each database calls it in its plans.
PRIMARY = ("unique_task_locks_pkey", "PRIMARY", "sqlite_autoindex_unique_task_locks_1")


def fill(url: str) -> None:
    """Put rows of other locks into the table."""
    new = "INSERT INTO unique_task_locks VALUES (:name, NULL, :name, 0, :ends)"
    ends = round(time.time() * 1e6)
    some = [
        # Some are over, some are not.
        {"name": f"unique:{number}:lock", "ends": ends + number * 10**6}
        for number in range(-OTHERS // 2, OTHERS // 2)
    ]
    names = sa.text(new).bindparams(sa.bindparam("name"))
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        text = names if "postgresql" not in url else sa.text(_NEW)
        connection.execute(text, some)
        connection.execute(sa.text(_ANALYZE[url.partition(":")[0].partition("+")[0]]))


_NEW = (
    "INSERT INTO unique_task_locks VALUES (:name, NULL, CAST('x' AS BYTEA), 0, :ends)"
)
_ANALYZE = {
    "postgresql": "ANALYZE unique_task_locks",
    "mysql": "ANALYZE TABLE unique_task_locks",
    "sqlite": "SELECT 1",  # nobody analyzes our file
}


def plan_of(url: str, statement: Any, values: Any) -> str:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    compiled = statement.compile(engine, compile_kwargs={"render_postcompile": True})
    explain = "EXPLAIN QUERY PLAN" if "sqlite" in url else "EXPLAIN"
    given = {name: values.get(name, one) for name, one in compiled.params.items()}
    order = compiled.positiontup
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            f"{explain} {compiled}",
            tuple(given[name] for name in order) if order else given,
        )
        return "\n".join(str(row) for row in found)


# Which rows they leave


def test_the_row_of_a_holder_is_deleted_when_it_leaves(store, rows):
    store.acquire("key", FIRST, LEASE, limit=3)
    store.acquire("key", SECOND, LEASE, limit=3)
    assert rows("key") == 2

    store.release("key", FIRST.token, limit=3)
    assert rows("key") == 1
    store.release("key", SECOND.token, limit=3, finished_for=LEASE)
    assert rows("key") == 0


def test_rows_of_holders_whose_time_has_ended_are_deleted_at_the_limit(store, rows):
    for number in range(2):
        store.acquire("key", record_of(f"dead {number}"), 0.001, limit=3)
    store.acquire("key", FIRST, LEASE, limit=3)
    time.sleep(0.01)

    assert isinstance(store.acquire("key", SECOND, LEASE, limit=3), Acquired)

    assert rows("key") == 2
    third, fourth = (
        store.acquire("key", record_of(name), LEASE, limit=3) for name in "ab"
    )
    assert isinstance(third, Acquired) and isinstance(fourth, Held)


def test_rows_of_holders_are_deleted_when_the_time_of_all_has_ended(store, rows):
    for number in range(3):
        store.acquire("key", record_of(f"dead {number}"), 0.001, limit=7)
    time.sleep(0.01)

    assert isinstance(store.acquire("key", FIRST, LEASE, limit=7), Acquired)

    assert rows("key") == 1


def test_a_sweep_deletes_old_rows_of_holders(store, rows):
    records = [record_of(f"dead {number}") for number in range(3)]
    fences = [store.acquire("key", one, LEASE, limit=7).fence for one in records]
    store.acquire("another", FIRST, LEASE, limit=7)
    store.renew(
        [
            Renewal("key", one, fence, 0.001, limit=7)
            for one, fence in zip(records, fences)
        ]
    )
    time.sleep(0.01)

    assert store.sweep(retention=86400) == 0
    assert rows("key") == 3
    assert store.sweep(retention=0.001) == 3

    assert (rows("key"), rows("another")) == (0, 1)
    assert store.get("another").record.token == FIRST.token


def test_many_acquisitions_leave_no_more_rows_than_holders(store, rows):
    store.acquire("key", FIRST, LEASE, limit=1000)
    for number in range(20):
        record = record_of(f"task {number}")
        store.acquire("key", record, LEASE, limit=1000)
        assert store.release("key", record.token, limit=1000)

    assert rows("key") == 1


# Nothing is done by halves


def test_who_asks_again_has_the_place_once(store, rows):
    store.acquire("key", SECOND, LEASE, limit=3)
    taken = store.acquire("key", FIRST, LEASE, limit=3)

    assert store.acquire("key", FIRST, LEASE, limit=3) == taken

    assert rows("key") == 2
    third = store.acquire("key", record_of("third"), LEASE, limit=3)
    assert isinstance(third, Acquired)
    assert store.release("key", FIRST.token, limit=3)
    assert not store.release("key", FIRST.token, limit=3)
    assert len(store.holders("key")) == 2


def test_a_stranger_frees_no_place(store, rows):
    store.acquire("key", FIRST, LEASE, limit=2)
    store.acquire("key", SECOND, LEASE, limit=2)

    assert not store.release("key", record_of("third").token, limit=2)

    assert isinstance(store.acquire("key", record_of("third"), 1, limit=2), Held)
    assert rows("key") == 2


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_a_session_in_the_mode_of_another_database_holds_locks(url):
    backend = SQLBackend(f"{url}&init_command=SET sql_mode=ORACLE")
    for record in (FIRST, SECOND):
        assert isinstance(backend.acquire("key", record, LEASE, limit=2), Acquired)

    assert backend.renew([Renewal("key", FIRST, None, 9, limit=2)]) == [Renewed.HELD]
    assert backend.release("key", FIRST.token, limit=2)
    assert [one.record.token for one in backend.holders("key")] == [SECOND.token]


def test_a_release_whose_answer_is_lost_is_a_release(backend, proxy):
    backend.acquire("key", FIRST, LEASE, limit=2)
    backend.acquire("key", SECOND, LEASE, limit=2)
    proxy.swallow_replies(1)

    assert backend.release("key", FIRST.token, limit=2)

    assert [one.record.token for one in backend.holders("key")] == [SECOND.token]
