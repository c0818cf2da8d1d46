"""Each lock type is held as long as the table says, on each broker."""

import pytest

from tests.waiting import wait_until
from tests.worker.published.locks import held
from tests.worker.published.moments import MOMENTS, ROWS, Life
from tests.worker.tasks_published import LEAVING

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.lock)
each_moment = pytest.mark.parametrize(
    "moment, column", MOMENTS, ids=[moment.__name__ for moment, _ in MOMENTS]
)
early_and_late = pytest.mark.parametrize("late", [False, True], ids=["early", "late"])


@pytest.fixture
def life(witness, key, shelf, retries):
    """Call it with a task for the life of one call of it."""

    def begin(task):
        return Life(task, key, shelf, retries, witness)

    yield begin
    for gate in (f"{key} 0", f"{key} 1"):
        witness.open(gate)


@early_and_late
@each_row
@each_moment
def test_a_lock_is_held_and_drops_equal_calls_as_the_table_says(
    life, row, moment, column, late
):
    call = life(LEAVING[row.lock, late])

    moment(call)

    is_held, drops = getattr(row, column).value
    wait_until(lambda: bool(held(call.task, call.key)) is is_held)
    assert call.shelf.put(call.task, call.key).duplicate is drops
