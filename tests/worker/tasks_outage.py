"""Tasks that tell what became of their lock while they ran."""

import os
import sqlite3
import time
from contextlib import closing
from typing import Any
from unittest.mock import patch

from tests.worker.app import app
from tests.worker.tasks import PROBED, SOON, hold, witness
from unique_task import current_lock, lock_lost, unique


def note_loss(lock: Any, **_: Any) -> None:
    witness().note(f"losses {lock.owner}")


if app.conf.witness_url:
    lock_lost.connect(note_loss)


def look_at_lock() -> dict[str, Any]:
    lock = current_lock()
    return {"lost": lock.lost, "fence": lock.fence}


@app.task
@unique(key="{key}", namespace=PROBED, on_duplicate=SOON)
def report(key: str) -> dict[str, Any]:
    """Run until the gate is open; return what the lock looks like then."""
    witness().note(f"locks {key}", current_lock().key)
    hold(key)
    return look_at_lock()


@app.task
@unique(key="{key}", namespace=PROBED)
def jump(key: str, seconds: float) -> dict[str, Any]:
    """Run on with a wall clock that has jumped by so many seconds."""
    real = time.time
    with patch("time.time", lambda: real() + seconds):
        hold(key)
        return look_at_lock()


@app.task
@unique(key="{key}", namespace=PROBED, on_duplicate=SOON)
def save(key: str, amount: int, database: str, gate: str) -> dict[str, Any]:
    """Write to a database that refuses, by the fence, whoever is too late."""
    witness().note(f"pids {gate}", str(os.getpid()))
    hold(gate)
    lock = current_lock()
    with closing(sqlite3.connect(database, timeout=30)) as balance, balance:
        changed = balance.execute(
            "UPDATE balance SET amount = ?, fence = ? WHERE fence < ?",
            (amount, lock.fence, lock.fence),
        )
    return {**look_at_lock(), "saved": changed.rowcount == 1}
