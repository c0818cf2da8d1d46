"""The table of exits: in which ways a run ends, and when each frees its lock.

``python -m tests.worker.exits`` writes it into the documentation.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import celery

from tests.worker import leaving
from tests.worker.leaving import How, ends, is_terminated, times_out


@dataclass(frozen=True)
class Bound:
    """How long a key can be blocked after an exit: for people, and in seconds."""

    text: str
    seconds: float


AT_ONCE = Bound("at once", 2)
NOTICED = Bound("when noticed", 12)
LEASE = Bound("one lease", 3)

#: For all but the rows that wait for the end of a lease: what becomes free was freed.
LONG_LEASE: Mapping[str, Any] = {"unique_lease": 600}
SHORT_LEASE: Mapping[str, Any] = {"unique_lease": 2}

EARLY, LATE = "early", "late"

#: Where no worker has a part.
NOWHERE = "no worker"
POOLS = ("prefork", "threads", "gevent", "eventlet", "solo", NOWHERE)


@dataclass(frozen=True)
class Exit:
    """One row of the table.

    Attributes:
        name: what ends the run.
        how: makes a run end so.
        lock: what happens to the lock.
        blocked: how long at most, in each pool where the case exists.
        acks: kinds of acknowledgement for which it is tested.
        since: the oldest Celery where a pool has the case, if it is not 5.3.
        ends_worker: pools in which the worker is gone after it.
        settings: of the worker.
    """

    name: str
    how: How
    lock: str
    blocked: Mapping[str, Bound]
    acks: tuple[str, ...] = (EARLY, LATE)
    since: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    ends_worker: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: LONG_LEASE)

    def exists(self, pool: str) -> bool:
        """Whether the Celery at hand has this case in `pool`."""
        version = tuple(map(int, celery.__version__.split(".")[:2]))
        return pool in self.blocked and self.since.get(pool, (5, 3)) <= version


def everywhere(bound: Bound, *pools: str) -> Mapping[str, Bound]:
    return dict.fromkeys(pools or POOLS[:-1], bound)


FREED_BY_BODY = "freed when the body is left"
FREED_BY_PARENT = "freed by the parent process as soon as the child is gone"
NEVER_TAKEN = "never taken"
MAIN = ("prefork", "threads", "gevent", "solo")

EXITS = [
    Exit("the body returns", ends("return"), FREED_BY_BODY, everywhere(AT_ONCE)),
    Exit("it raises an exception", ends("error"), FREED_BY_BODY, everywhere(AT_ONCE)),
    Exit("it raises ``Retry``", ends("retry"), FREED_BY_BODY, everywhere(AT_ONCE)),
    Exit("it raises ``Ignore``", ends("ignore"), FREED_BY_BODY, everywhere(AT_ONCE)),
    Exit("it raises ``Reject``", ends("reject"), FREED_BY_BODY, everywhere(AT_ONCE)),
    Exit(
        "it raises ``Reject(requeue=True)``",
        ends("requeue"),
        "freed when the body is left; the message comes back and runs",
        everywhere(AT_ONCE),
        acks=(LATE,),
    ),
    Exit(
        "soft time limit",
        times_out(soft_time_limit=0.2),
        FREED_BY_BODY,
        everywhere(AT_ONCE, "prefork"),
    ),
    Exit(
        "hard time limit",
        times_out(time_limit=0.5),
        "prefork: freed by the parent process; else freed when the body is left",
        everywhere(AT_ONCE, "prefork", "gevent"),
    ),
    Exit(
        "the pool's child is killed (``kill -9``)",
        leaving.child_is_killed,
        FREED_BY_PARENT,
        everywhere(NOTICED, "prefork"),
    ),
    Exit(
        "the body calls ``os._exit()``",
        ends("os._exit"),
        FREED_BY_PARENT,
        everywhere(NOTICED, "prefork"),
    ),
    Exit(
        "it calls ``sys.exit()``",
        ends("sys.exit"),
        FREED_BY_BODY,
        everywhere(AT_ONCE, *MAIN),
        ends_worker=("solo",),
    ),
    Exit(
        "revoked before it starts",
        leaving.is_revoked,
        NEVER_TAKEN,
        everywhere(AT_ONCE, *MAIN),
    ),
    Exit(
        "expires before it starts",
        leaving.expires,
        NEVER_TAKEN,
        everywhere(AT_ONCE, *MAIN),
    ),
    Exit(
        "revoked with ``terminate=True``",
        is_terminated("SIGTERM"),
        "prefork: freed by the parent process; else freed when the body is left",
        everywhere(AT_ONCE, "prefork", "gevent"),
        since={"gevent": (5, 4)},
    ),
    Exit(
        "revoked with ``signal='SIGKILL'``",
        is_terminated("SIGKILL"),
        FREED_BY_PARENT,
        everywhere(AT_ONCE, "prefork"),
    ),
    Exit(
        "revoked with ``terminate=True``, but the body catches SIGTERM and goes on",
        leaving.defies_termination,
        "held until the body ends",
        everywhere(AT_ONCE, "prefork"),
    ),
    Exit(
        "warm shutdown (SIGTERM)",
        leaving.warm_shutdown,
        "held until the body ends: the worker waits for it",
        everywhere(AT_ONCE, *MAIN),
        ends_worker=MAIN,
    ),
    Exit(
        "soft shutdown (``worker_soft_shutdown_timeout``), the body ends in time",
        leaving.soft_shutdown_in_time,
        "held until the body ends: the worker waits for it",
        everywhere(AT_ONCE, "prefork", "threads", "gevent"),
        since=dict.fromkeys(MAIN, (5, 5)),
        ends_worker=MAIN,
        settings={**LONG_LEASE, "worker_soft_shutdown_timeout": 20},
    ),
    Exit(
        "soft shutdown, the body does not end in time",
        leaving.soft_shutdown_too_late,
        "?",
        everywhere(AT_ONCE, *MAIN),
        since=dict.fromkeys(MAIN, (5, 5)),
        ends_worker=MAIN,
        settings={**LONG_LEASE, "worker_soft_shutdown_timeout": 0.5},
    ),
    Exit(
        "cold shutdown (SIGQUIT)",
        leaving.cold_shutdown,
        "?",
        everywhere(AT_ONCE, *MAIN),
        ends_worker=MAIN,
    ),
    Exit(
        "the worker's parent process is killed (``kill -9``), its children live on",
        leaving.parent_is_killed,
        "held until the body ends",
        everywhere(AT_ONCE, "prefork"),
        ends_worker=("prefork",),
    ),
    Exit(
        "the whole worker is killed (``kill -9``, power cut)",
        leaving.worker_is_killed,
        "ends with its lease; taken over at once by a run on the same machine",
        everywhere(LEASE, *MAIN),
        acks=(EARLY,),
        ends_worker=MAIN,
        settings=SHORT_LEASE,
    ),
    Exit(
        "the message cannot be sent",
        leaving.cannot_be_published,
        NEVER_TAKEN,
        everywhere(AT_ONCE, NOWHERE),
        acks=(EARLY,),
    ),
    Exit(
        "eager call",
        leaving.called_eagerly,
        FREED_BY_BODY,
        everywhere(AT_ONCE, NOWHERE),
        acks=(EARLY,),
    ),
    Exit(
        "direct call",
        leaving.called_directly,
        FREED_BY_BODY,
        everywhere(AT_ONCE, NOWHERE),
        acks=(EARLY,),
    ),
]
