"""Calls come in a burst, and each takes the place of the one before."""

import time
from dataclasses import dataclass

from tests.docs.pictures.stage import Stage, new_key, send
from tests.waiting import in_time, wait_until
from tests.worker.tasks_pictured import index
from unique_task.options.policies import replace

CALLS = 10


@dataclass(frozen=True)
class Burst:
    """What a run has shown; times are seconds since the first publish, by call.

    Attributes:
        quiet: seconds without a call after which the last one runs.
        left: when a call had reached a worker, and was done with.
        began: the calls whose bodies ran, each with when.
    """

    quiet: float
    sent: list[float]
    left: list[float]
    began: list[tuple[int, float]]


def play(stage: Stage, worker: str, quiet: float) -> Burst:
    """Send the calls of a burst, all of them before the first may start."""

    def send_all() -> tuple[str, list[float]]:
        key, sent = new_key(), []
        stage.witness.open(key)
        for call in range(CALLS):
            sent.append(send(index, worker, key, call, 0.0, **options))
            time.sleep(quiet / CALLS / 1.2)
        return key, sent

    options = {"unique": {"on_duplicate": replace(countdown=quiet)}}
    key, sent = in_time(send_all, quiet)
    wait_until(lambda: len(stage.moments(key, "leaves")) == CALLS, timeout=60)

    began, left = (stage.moments(key, what) for what in ("begins", "leaves"))
    return Burst(
        quiet,
        [at - sent[0] for at in sent],
        [left[call] - sent[0] for call in range(CALLS)],
        [(call, at - sent[0]) for call, at in began.items()],
    )
