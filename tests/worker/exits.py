"""The table of exits: each way in which a run can end, and when its key is free then.

``python -m tests.worker.exits_page`` writes it into the documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import celery

from tests.worker import leaving
from tests.worker.leaving import How, ends, is_terminated, times_out

#: For rows without a worker.
NOWHERE = "no worker"
POOLS = ("prefork", "threads", "gevent", "eventlet", "solo", NOWHERE)

EARLY, LATE = "early", "late"

#: Of all rows but those that wait for the end of a lease: no lock ends by itself.
LONG_LEASE: Mapping[str, Any] = {"unique_lease": 600}
SHORT_LEASE: Mapping[str, Any] = {"unique_lease": leaving.LEASE}


@dataclass(frozen=True)
class Bound:
    """How long a key is blocked at most: a text for people, seconds for the test."""

    text: str
    seconds: float


# Two seconds are promised, and eight more are for a machine that is busy.
AT_ONCE = Bound("at once", 10)
BODY_ENDS = Bound("until the body ends", 10)
NOTICED = Bound("5 s", 15)
LEASE = Bound("one lease", leaving.LEASE + 8)


@dataclass(frozen=True)
class Exit:
    """One row of the table.

    Attributes:
        name: what ends the run.
        how: ends a run in this way.
        lock: what happens to the lock.
        blocked: how long at most, in each pool that has the case.
        acks: kinds of acknowledgement for which it is tested.
        since: the oldest Celery that has the case.
        before: the oldest Celery that no longer has it.
        ends_worker: pools in which the worker is gone afterwards.
        ends_child: whether a child of a prefork pool is gone afterwards.
        settings: of the worker.
    """

    name: str
    how: How
    lock: str
    blocked: Mapping[str, Bound]
    acks: tuple[str, ...] = (EARLY, LATE)
    since: tuple[int, int] = (5, 3)
    before: tuple[int, int] = (6, 0)
    ends_worker: tuple[str, ...] = ()
    ends_child: bool = False
    settings: Mapping[str, Any] = field(default_factory=lambda: LONG_LEASE)

    @property
    def exists(self) -> bool:
        """Whether the Celery at hand has this case."""
        major, minor = map(int, celery.__version__.split(".")[:2])
        return self.since <= (major, minor) < self.before


def in_all(bound: Bound, *pools: str) -> dict[str, Bound]:
    return dict.fromkeys(pools, bound)


WORKERS = POOLS[:-1]
#: Eventlet is deprecated; what ends a body is tested there, not what ends a worker.
MAIN = ("prefork", "threads", "gevent", "solo")

BY_BODY = "released on the way out of the body"
BY_PARENT = "released by the parent process, which notices within 5 s"
NEVER = "never taken"
WAITS = "held until the body ends, for which the worker waits"
INTERRUPTED = "the body is interrupted, and releases its lock on the way out"

IN_CHILD = in_all(AT_ONCE, "prefork")
#: Without a message that reaches a worker there is one kind of acknowledgement.
OUTSIDE, ONE = in_all(AT_ONCE, NOWHERE), (EARLY,)

EXITS = [
    Exit("the body returns", ends("return"), BY_BODY, in_all(AT_ONCE, *WORKERS)),
    Exit("it raises an exception", ends("error"), BY_BODY, in_all(AT_ONCE, *WORKERS)),
    Exit("it raises ``Retry``", ends("retry"), BY_BODY, in_all(AT_ONCE, *WORKERS)),
    Exit("it raises ``Ignore``", ends("ignore"), BY_BODY, in_all(AT_ONCE, *WORKERS)),
    Exit("it raises ``Reject``", ends("reject"), BY_BODY, in_all(AT_ONCE, *WORKERS)),
    Exit(
        "it raises ``Reject(requeue=True)``",
        ends("requeue"),
        f"{BY_BODY}; the message comes back and runs",
        in_all(AT_ONCE, *WORKERS),
        acks=(LATE,),
    ),
    Exit(
        "it calls ``sys.exit()``",
        ends("sys.exit"),
        f"{BY_BODY}; in solo the worker ends",
        in_all(AT_ONCE, *MAIN),
        ends_worker=("solo",),
        ends_child=True,
    ),
    Exit(
        "it calls ``os._exit()``",
        ends("os._exit"),
        BY_PARENT,
        in_all(NOTICED, "prefork"),
        acks=(LATE,),
        ends_child=True,
    ),
    Exit("soft time limit", times_out("soft_time_limit", 0.2), BY_BODY, IN_CHILD),
    Exit(
        "hard time limit",
        times_out("time_limit", 0.3),
        INTERRUPTED,
        in_all(AT_ONCE, "prefork", "gevent"),
        ends_child=True,
    ),
    Exit(
        "hard time limit, and the body ignores SIGTERM",
        leaving.defies_time_limit,
        "released by the parent process when it has killed the child",
        IN_CHILD,
        ends_child=True,
    ),
    Exit(
        "the pool's child is killed (``kill -9``, out of memory)",
        leaving.child_is_killed,
        BY_PARENT,
        in_all(NOTICED, "prefork"),
        ends_child=True,
    ),
    Exit("revoked before it starts", leaving.is_revoked, NEVER, in_all(AT_ONCE, *MAIN)),
    Exit("expires before it starts", leaving.expires, NEVER, in_all(AT_ONCE, *MAIN)),
    Exit(
        "revoked with ``terminate=True``",
        is_terminated("SIGTERM"),
        INTERRUPTED,
        IN_CHILD,
        ends_child=True,
    ),
    Exit(
        "revoked with ``terminate=True``",
        is_terminated("SIGTERM"),
        INTERRUPTED,
        in_all(AT_ONCE, "gevent"),
        since=(5, 5),
    ),
    Exit(
        "revoked with ``terminate=True``, and the body ignores SIGTERM",
        leaving.defies_termination,
        "held until the body ends: it may still write",
        in_all(BODY_ENDS, "prefork"),
    ),
    Exit(
        "revoked with ``terminate=True, signal='SIGKILL'``",
        is_terminated("SIGKILL"),
        BY_PARENT,
        in_all(NOTICED, "prefork"),
        acks=(EARLY,),
        ends_child=True,
    ),
    Exit(
        "warm shutdown (SIGTERM)",
        leaving.warm_shutdown,
        WAITS,
        in_all(BODY_ENDS, *MAIN),
        acks=(LATE,),
        ends_worker=MAIN,
    ),
    Exit(
        "soft shutdown (SIGQUIT), the body ends in time",
        leaving.soft_shutdown_in_time,
        WAITS,
        in_all(BODY_ENDS, "prefork", "threads"),
        acks=(LATE,),
        since=(5, 5),
        ends_worker=MAIN,
        settings={**LONG_LEASE, "worker_soft_shutdown_timeout": 20},
    ),
    Exit(
        "soft shutdown (SIGQUIT), the body does not end in time",
        leaving.soft_shutdown_too_late,
        f"{INTERRUPTED}; in threads it runs to its end",
        {**in_all(AT_ONCE, "prefork", "solo"), "threads": BODY_ENDS},
        acks=(LATE,),
        since=(5, 5),
        ends_worker=MAIN,
        settings={**LONG_LEASE, "worker_soft_shutdown_timeout": leaving.SOFT_TIMEOUT},
    ),
    Exit(
        "cold shutdown (SIGQUIT)",
        leaving.cold_shutdown,
        f"{INTERRUPTED}; in threads it runs to its end",
        {**in_all(AT_ONCE, "prefork", "solo"), "threads": BODY_ENDS},
        since=(5, 5),
        ends_worker=MAIN,
    ),
    Exit(
        "cold shutdown (SIGQUIT)",
        leaving.cold_shutdown_of_old,
        f"{INTERRUPTED}; in threads and solo it runs to its end",
        {"prefork": NOTICED, **in_all(BODY_ENDS, "threads", "solo")},
        before=(5, 5),
        ends_worker=MAIN,
    ),
    Exit(
        "soft or cold shutdown (SIGQUIT)",
        leaving.cold_shutdown_of_greenlets,
        "the worker may end without its greenlets; the lock then ends with its lease",
        in_all(LEASE, "gevent"),
        ends_worker=MAIN,
        settings=SHORT_LEASE,
    ),
    Exit(
        "the worker's parent process is killed (``kill -9``)",
        leaving.parent_is_killed,
        "Linux kills its children too; the lock ends with its lease",
        in_all(LEASE, "prefork"),
        acks=(EARLY,),
        ends_worker=MAIN,
        settings=SHORT_LEASE,
    ),
    Exit(
        "the whole worker is killed (``kill -9``, power cut)",
        leaving.worker_is_killed,
        "ends with its lease",
        in_all(LEASE, *MAIN),
        acks=(EARLY,),
        ends_worker=MAIN,
        settings=SHORT_LEASE,
    ),
    Exit(
        "the message cannot be sent", leaving.cannot_be_published, NEVER, OUTSIDE, ONE
    ),
    Exit("eager call", leaving.called_eagerly, BY_BODY, OUTSIDE, ONE),
    Exit("direct call", leaving.called_directly, BY_BODY, OUTSIDE, ONE),
]
