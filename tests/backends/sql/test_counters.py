"""The table of counters: its creation, its minutes, its sweep, and lost answers."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST, LEASE
from tests.servers import Proxy
from unique_task import LockStoreError
from unique_task.backends.counting import KEPT, REMEMBERED, minute_of
from unique_task.backends.findings import Finding, Level
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.counter_table import (
    counter_rows,
    counter_table,
    flush_row,
)
from unique_task.backends.sql.counters import _SOME
from unique_task.backends.sql.table import lock_table
from unique_task.backends.steps import Acquired
from unique_task.exceptions import LockStoreRefusedError

RUNS = ("shop.charge", "runs")
TABLE = "unique_task_locks_counters"


def execute(engine: sa.Engine, statement: str) -> Any:
    with engine.connect() as connection:
        found = connection.execute(sa.text(statement))
        return found.all() if found.returns_rows else None


def pass_by(engine: sa.Engine, minutes: int) -> None:
    """Let some minutes pass."""
    execute(engine, f"UPDATE {TABLE} SET minute = minute - {minutes}")
    # In two steps: a row must not get the name of one that has yet to get another.
    name = "CONCAT(minute, ':', RIGHT(name, 32))"
    for new in (f"CONCAT('-', {name})", name):
        execute(engine, f"UPDATE {TABLE} SET name = {new} WHERE flush = 0")


def runs(backend: SQLBackend) -> float:
    """What was counted in all minutes: one may end in the middle of a test."""
    return sum(row.amount for row in backend.counted().rows)


# The table


@pytest.fixture
def no_tables(engine: sa.Engine) -> None:
    for table in (TABLE, "unique_task_locks"):
        execute(engine, f"DROP TABLE IF EXISTS {table}")


def test_who_only_locks_creates_no_table_of_counters(url, no_tables, engine):
    backend: Any = SQLBackend(url)
    backend.acquire("key", FIRST, LEASE)
    backend.release("key", FIRST.token)
    backend.sweep()

    assert not sa.inspect(engine).has_table(TABLE)


def test_who_only_counts_creates_no_table_of_locks(url, no_tables, engine):
    SQLBackend(url).count("flush", {RUNS: 1})

    assert not sa.inspect(engine).has_table("unique_task_locks")
    [index] = sa.inspect(engine).get_indexes(TABLE)
    assert index["column_names"] == ["flush", "minute"]


def test_who_only_reads_creates_the_table(url, no_tables):
    assert list(SQLBackend(url).counted().rows) == []


def test_a_table_of_counters_that_was_dropped_is_created_again(backend, engine):
    backend.count("one", {RUNS: 1})
    execute(engine, f"DROP TABLE {TABLE}")

    backend.count("two", {RUNS: 2})

    assert runs(backend) == 2


def test_each_table_of_locks_has_counters_beside_it(url, backend, engine):
    for table in ("by_hand", "by_hand_counters"):
        execute(engine, f"DROP TABLE IF EXISTS {table}")
    other = SQLBackend(url, table="by_hand")
    for statement in other.ddl().split(";\n"):
        execute(engine, statement.strip(";"))
    other.count("flush", {RUNS: 1})

    assert execute(engine, "SELECT COUNT(*) FROM by_hand_counters") == [(2,)]
    assert (runs(other), runs(backend)) == (1, 0)


@pytest.mark.parametrize("length", [47, 48, 58, 63])
def test_a_long_name_of_the_table_leaves_room_for_that_of_the_counters(length):
    names = ["x" * (length - 1) + last for last in "ab"]
    tables = [counter_table(lock_table(name)) for name in names]

    assert tables[0].name != tables[1].name
    for table in tables:
        [index] = table.indexes
        assert len(str(index.name)) <= 63


# Rights


@pytest.fixture
def guest(url: str, engine: sa.Engine, no_tables: None) -> SQLBackend:
    """The store of a user who may use the table of locks, which somebody has made."""
    SQLBackend(url).check()
    if engine.dialect.name == "postgresql":
        execute(engine, "DROP ROLE IF EXISTS counter")
        execute(engine, "CREATE ROLE counter LOGIN PASSWORD 'sesame'")
        execute(engine, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    else:
        execute(engine, "CREATE OR REPLACE USER counter IDENTIFIED BY 'sesame'")
    allow(engine, "unique_task_locks", "SELECT, INSERT, UPDATE, DELETE")
    parts = sa.make_url(url).set(username="counter", password="sesame")
    return SQLBackend(parts.render_as_string(hide_password=False))


def allow(engine: sa.Engine, table: str, rights: str) -> None:
    execute(engine, f"GRANT {rights} ON {table} TO counter")


def finding_of(backend: SQLBackend) -> Finding:
    [finding] = [one for one in backend.findings() if one.name == "counters"]
    return finding


def test_without_a_table_of_counters_locks_are_kept_and_a_check_says_so(guest, engine):
    if engine.dialect.name != "postgresql":
        # Else it does not tell whether there is such a table.
        allow(engine, "shop.*", "SELECT, INSERT, UPDATE, DELETE")
    guest.check()
    assert isinstance(guest.acquire("key", FIRST, LEASE), Acquired)
    with pytest.raises(LockStoreRefusedError, match=f"{TABLE} is missing"):
        guest.count("flush", {RUNS: 1})

    finding = finding_of(guest)
    assert finding.level is Level.WARN
    assert f"CREATE TABLE IF NOT EXISTS {TABLE}" in finding.found
    assert "unique_task_locks (" not in finding.found


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_who_lacks_one_right_to_the_counters_keeps_locks(guest, url, engine, right):
    SQLBackend(url).count("flush", {RUNS: 1})
    others = {"SELECT", "INSERT", "UPDATE", "DELETE"} - {right}
    allow(engine, TABLE, ", ".join(others))

    guest.check()
    assert finding_of(guest).level is Level.WARN
    assert "denied" in finding_of(guest).found

    allow(engine, TABLE, right)
    assert finding_of(guest).level is Level.OK


def test_the_check_leaves_nothing(backend, engine):
    assert finding_of(backend).level is Level.OK

    assert execute(engine, f"SELECT name FROM {TABLE}") == []


# Minutes


def test_the_last_minutes_are_read_and_no_others(backend, engine):
    for number in range(3):
        backend.count(f"flush {number}", {RUNS: 1})
        pass_by(engine, 2)
    backend.count("last", {RUNS: 1})

    kept = execute(engine, f"SELECT minute FROM {TABLE} WHERE flush = 0")
    assert len({minute for minute, in kept}) == 4
    for asked in (1, 2, 3, 4, 9, 10, 11, KEPT):
        counted = backend.counted(asked)
        last = minute_of(counted.now)
        wanted = {minute for minute, in kept if minute > last - asked}
        assert {row.minute for row in counted.rows} == wanted


def test_two_processes_change_the_rows_in_one_order():
    amounts = {(f"task {number}", "runs"): 1.0 for number in range(20)}
    others = dict(reversed(amounts.items()))

    assert counter_rows(amounts, 7, "") == counter_rows(others, 7, "")


def test_counters_are_stored_as_ever():
    """Workers of two versions add to the same rows: do not change a text."""
    counter = ("shop.charge é", "duplicates.ignore.run")

    assert counter_rows({counter: 2}, 29933253, "shop:") == [
        {
            "name": "29933253:0cab8ca3a0f97c9a49f990ab909c795a",
            "flush": 0,
            "minute": 29933253,
            "prefix": b"shop:",
            "task": "shop.charge é".encode(),
            "counter": b"duplicates.ignore.run",
            "amount": 2.0,
        }
    ]
    flush = flush_row("1b671a6440d5491e99b0da01ff1f3341", 29933253, "shop:")
    assert flush["name"] == "flush:9a35744b3309ff09edc9e5113da5b456"


# The sweep


def test_a_sweep_deletes_old_minutes_and_old_flushes(backend, engine):
    backend.count("old", {RUNS: 1})
    pass_by(engine, KEPT - 5)
    backend.count("new", {RUNS: 2})
    pass_by(engine, 2)
    assert backend.sweep() == 1  # the old flush
    assert runs(backend) == 3

    pass_by(engine, 5)
    assert backend.sweep() == 1  # the old minute
    assert backend.sweep() == 0
    assert runs(backend) == 2


def test_a_flush_that_a_client_may_repeat_is_not_swept(backend, engine):
    backend.count("flush", {RUNS: 1})
    pass_by(engine, REMEMBERED // 60)
    backend.sweep()

    backend.count("flush", {RUNS: 1})

    assert runs(backend) == 1


def test_a_sweep_goes_on_until_nothing_old_is_left(backend, engine):
    backend.count("flush", {(f"task {n}", "runs"): 1 for n in range(_SOME + 1)})
    pass_by(engine, 2 * KEPT)

    assert backend.sweep() == _SOME + 2


def test_sweeping_locks_leaves_counters_alone(backend):
    backend.count("flush", {RUNS: 1})

    assert backend.sweep(retention=0) == 0
    assert runs(backend) == 1


# Lost answers


@pytest.fixture
def proxy(url: str, backend: SQLBackend) -> Any:
    with Proxy(url) as proxy:
        yield proxy


def test_a_flush_whose_answer_is_lost_counts_once(proxy, commit):
    backend = SQLBackend(proxy.url)
    backend.count("one", {RUNS: 1})
    proxy.swallow_replies(1, to=commit)

    backend.count("another", {RUNS: 1})

    assert runs(backend) == 2


def test_a_flush_that_failed_after_it_was_counted_counts_once(
    proxy, url, backend, commit
):
    backend.count("one", {RUNS: 1})
    through_proxy = SQLBackend(proxy.url, timeout=2)
    assert runs(through_proxy) == 1
    proxy.swallow_replies(1, to=commit)
    proxy.lead_to("nowhere://127.0.0.1:1")  # when it connects again
    with pytest.raises(LockStoreError):
        through_proxy.count("flush", {RUNS: 1})
    proxy.lead_to(url)
    assert runs(backend) == 2

    through_proxy.count("flush", {RUNS: 1})

    assert runs(backend) == 2
