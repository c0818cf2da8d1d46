"""A database with thousands of leases, and with rows of old locks."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import SECOND, record_of
from unique_task import LockStoreError
from unique_task.backends import batches
from unique_task.backends.cells import LOCK, short_name
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.table import NAME_LENGTH
from unique_task.backends.steps import Renewal, Renewed

LEASES, ROWS = 8000, 4000

#: Later than any test.
LATE = 4 * 10**15

PLANS = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mariadb": "EXPLAIN"}


@pytest.fixture(params=PLANS)
def backend(request: pytest.FixtureRequest) -> Any:
    url = request.getfixturevalue(f"{request.param}_url")
    backend = SQLBackend(url, timeout=60)
    backend.get("key")
    return backend


def keep(backend: SQLBackend, rows: list[dict[str, Any]]) -> None:
    backend._database.run(lambda one: one.execute(backend._statements.keep, rows))


def row(name: str, token: str, ends: int, fence: int) -> dict[str, Any]:
    content = f"1 {token} running   ".encode()
    fields: dict[str, Any] = {"name": name, "token": token.encode(), "ends": ends}
    return {**fields, "content": content, "fence": fence}


def test_thousands_of_leases_are_renewed(backend):
    found = []
    for number in range(LEASES):
        record = record_of(f"task-{number}")
        found.append(Renewal(record.owner, record, 7, 100))
    names = [short_name(one.key, LOCK, NAME_LENGTH) for one in found]
    tokens = [one.record.token for one in found]
    keep(backend, [row(name, token, LATE, 7) for name, token in zip(names, tokens)])

    assert set(backend.renew(found)) == {Renewed.HELD}
    assert backend.get(found[-1].key).remaining <= 100


def test_a_batch_that_fails_costs_no_other_its_leases(backend, monkeypatch):
    monkeypatch.setattr(batches, "MOST", 2)
    found = []
    for number in range(5):
        record = record_of(f"task-{number}")
        backend.acquire(record.owner, record, 10)
        found.append(Renewal(record.owner, record, None, 60))

    def fail(*args: Any) -> None:
        if "UPDATE" in args[2] and found[2].key in str(args[3]):
            raise TimeoutError

    sa.event.listen(backend._database._engine, "before_cursor_execute", fail)

    outcomes = backend.renew(found)

    assert outcomes == [Renewed.HELD] * 2 + [Renewed.UNKNOWN] * 2 + [Renewed.HELD]
    with pytest.raises(LockStoreError):
        backend.renew(found[2:4])


@pytest.fixture
def crowded(backend: SQLBackend) -> SQLBackend:
    """A table with many locks freed an hour ago, and as many that are held."""
    taken: Any = backend.acquire("now", SECOND, 10)
    hour = taken.fence - 3600 * 10**6
    for ends in (0, LATE):
        some = [row(f"{ends} {number}", "a", ends, hour) for number in range(ROWS // 2)]
        keep(backend, some)
    kind = backend._database.kind
    analyze = {"sqlite": "ANALYZE", "postgresql": "ANALYZE unique_task_locks"}
    statement = analyze.get(kind, "ANALYZE TABLE unique_task_locks")
    backend._database.run(lambda one: one.exec_driver_sql(statement).close())
    return backend


def test_a_sweep_that_finds_nothing_looks_at_no_row(crowded):
    """It looks at no entry of the index that is not old."""
    past = crowded.get("now").record.fence - 86400 * 10**6
    dialect = crowded._database._engine.dialect
    kind = "mariadb" if "mysql" in dialect.name else dialect.name
    for old in crowded._statements.swept:
        filled = old.params(past=past, some=1000)
        text = filled.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        plan = explained(crowded, f"{PLANS[kind]} {text}")
        assert "unique_task_locks_ends" in str(plan)
        if kind == "mariadb":
            assert int(plan[0]["rows"]) < 100
        if kind == "sqlite":
            assert "(ends=? AND fence<?)" in str(plan) or "ends>? AND" in str(plan)
        if kind == "postgresql":
            assert "Index Cond" in str(plan)
            assert "Filter" not in str(plan)


def explained(backend: SQLBackend, text: str) -> list[dict[str, Any]]:
    return backend._database.run(
        lambda one: [dict(row) for row in one.execute(sa.text(text)).mappings()]
    )


def test_what_is_old_is_swept_however_it_ended(crowded):
    now = crowded.get("now").record.fence
    old = now - 2 * 86400 * 10**6
    keep(crowded, [row("freed", "a", 0, old), row("over", "a", old + 5, old)])
    keep(crowded, [row("late", "a", old + 5, now)])

    assert crowded.sweep() == 2
    assert crowded.sweep() == 0
