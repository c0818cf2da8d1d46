"""Calls of one key wait for each other, in two workers."""

import time
from dataclasses import dataclass
from typing import Any

from tests.docs.pictures.stage import Stage, new_key, send
from tests.waiting import wait_until
from unique_task import retry

CALLS = 5


@dataclass(frozen=True)
class Turn:
    """One call of the key; times are seconds since the first publish.

    Attributes:
        asks: when it met the lock.
        runs: from when to when its body ran.
    """

    worker: str
    sent: float
    asks: list[float]
    runs: tuple[float, float]


def play(
    stage: Stage, task: Any, workers: tuple[str, str], seconds: float, pause: float
) -> list[Turn]:
    """Send calls to the workers in turn; return them in the order of their publish.

    Arguments:
        task: one of ``tasks_pictured``, whose duplicates wait.
        seconds: that a body takes.
        pause: after which a call comes back, if nobody starts it.
    """
    key, sent = new_key(), []
    options = {"unique": {"on_duplicate": retry(countdown=pause)}}
    for call in range(CALLS):
        sent.append(send(task, workers[call % 2], key, call, seconds, **options))
        # The next one comes behind this one.
        wait_until(lambda: call in stage.moments(key, "leaves" if call else "begins"))
        time.sleep(seconds / 10)
    # Nobody knows of those that come back by themselves.
    known = 0 if task.rate_limit else CALLS - 1
    wait_until(lambda: stage.waiting(task, *workers) == known)
    stage.witness.open(key)
    wait_until(lambda: len(stage.moments(key, "ends")) == CALLS, timeout=120)

    begins, ends = (stage.moments(key, what) for what in ("begins", "ends"))
    return [
        Turn(
            workers[call % 2],
            sent[call] - sent[0],
            [at - sent[0] for at in stage.refusals(key, call)],
            (begins[call] - sent[0], ends[call] - sent[0]),
        )
        for call in range(CALLS)
    ]
