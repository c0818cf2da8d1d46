"""The cost of renewing many locks of a database together, if some are lost."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import REMEMBERED, SECOND, record_of
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Renewal, Renewed

HELD, LOST = 200, 1


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def backend(request: pytest.FixtureRequest) -> Any:
    backend = SQLBackend(request.getfixturevalue(f"{request.param}_url"), timeout=20)
    backend.get("key")
    return backend


@pytest.fixture
def renewals(backend: SQLBackend) -> list[Renewal]:
    """Renewals of many held locks; another token holds the one in the middle."""
    found = []
    for number in range(HELD + LOST):
        record = record_of(f"task {number}")
        taken: Any = backend.acquire(record.owner, record, 10)
        found.append(Renewal(record.owner, record, taken.fence, 9, REMEMBERED))
    lost = found[HELD // 2]
    backend.release(lost.key, lost.record.token)
    backend.acquire(lost.key, SECOND, expire=10)
    return found


def test_one_lock_that_is_lost_costs_the_others_nothing(backend, renewals):
    statements: list[str] = []
    engine = backend._database._engine
    sa.event.listen(
        engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )

    outcomes = backend.renew(renewals)

    # For all together, and for the one that is lost.
    assert len(statements) < 15
    assert outcomes.pop(HELD // 2) is Renewed.TAKEN
    assert outcomes == [Renewed.HELD] * HELD
    assert all(
        backend.get(one.key).remaining <= 9
        for one in renewals
        if one.key != renewals[HELD // 2].key
    )


def test_renewals_out_of_time_are_unknown_and_the_rest_are_renewed(backend, renewals):
    def too_slow(*args: Any) -> None:
        if "UPDATE" not in args[2] and "SELECT" not in args[2]:
            raise TimeoutError

    engine = backend._database._engine
    sa.event.listen(engine, "before_cursor_execute", too_slow)

    outcomes = backend.renew([Renewal(*_plain(one)) for one in renewals])

    assert outcomes.pop(HELD // 2) is Renewed.UNKNOWN
    assert outcomes == [Renewed.HELD] * HELD


def _plain(renewal: Renewal) -> tuple[Any, ...]:
    return renewal.key, renewal.record, renewal.fence, renewal.expire
