"""Holders of a key, and the calls that stand in line behind them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.witness import Witness

Hold = Callable[..., Any]


@pytest.fixture
def hold(witness: Witness, key: str) -> Iterator[Hold]:
    """Call it to have a task run with `key` until the test opens the gate, or ends."""

    def hold(task: Any, *args: Any, **options: Any) -> Any:
        result = task.apply_async((key, *args), **options)
        wait_until(lambda: witness.runs(key) == 1)
        return result

    yield hold
    witness.open(key)


@pytest.fixture
def line_up(witness: Witness, key: str) -> Hold:
    """Call it for a call that waits, once it does so."""

    def line_up(task: Any, *args: Any, **options: Any) -> Any:
        result = task.apply_async((key, *args), **options)
        wait_until(lambda: witness.waits(result.id))
        return result

    return line_up
