"""What the pictures show: measured in real workers, and kept beside this module."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.docs.pictures import burst, crash, hot_key
from tests.docs.pictures.burst import Burst
from tests.docs.pictures.crash import Crash, Plan
from tests.docs.pictures.hot_key import Turn
from tests.docs.pictures.stage import stage
from tests.worker.tasks_pictured import charge, polling

FILE = Path(__file__).with_name("measured.json")

#: The first worker is on another machine than the others.
WORKERS = ("mill", "barn", "shed")


@dataclass(frozen=True)
class Lengths:
    """How long it all takes, in seconds.

    Attributes:
        elsewhere: the death of a worker on another machine.
        here: the same, on the machine of the next call.
        run: a body of the hot key.
        quiet: of the burst.
        pause: after which a call of the hot key comes back, if nobody starts it.
        poll: the same, where nobody starts any.
    """

    elsewhere: Plan = Plan()
    here: Plan = Plan()
    run: float = 1
    quiet: float = 5
    pause: float = 1
    poll: float = 1


@dataclass(frozen=True)
class Measured:
    """What each picture shows."""

    elsewhere: Crash
    here: Crash
    burst: Burst
    hot_key: list[Turn]
    polling: list[Turn]


def measure(directory: Path, redis_url: str, lengths: Lengths) -> Measured:
    """Have real workers do what the pictures show."""
    far, near, last = WORKERS
    leases = (lengths.elsewhere.lease, lengths.here.lease, lengths.here.lease)
    both, run = (far, near), lengths.run
    with stage(directory, redis_url, dict(zip(WORKERS, leases))) as workers:
        return Measured(
            hot_key=hot_key.play(workers, charge, both, run, lengths.pause),
            polling=hot_key.play(workers, polling, both, run, lengths.poll),
            burst=burst.play(workers, near, lengths.quiet),
            elsewhere=crash.play(workers, far, near, lengths.elsewhere),
            here=crash.play(workers, near, last, lengths.here),
        )


def save(measured: Measured) -> None:
    text = json.dumps(_rounded(asdict(measured)), indent=1)
    FILE.write_text(f"{text}\n")


def load() -> Measured:
    found = json.loads(FILE.read_text())
    return Measured(
        elsewhere=Crash(**found["elsewhere"]),
        here=Crash(**found["here"]),
        burst=Burst(**found["burst"]),
        hot_key=[Turn(**turn) for turn in found["hot_key"]],
        polling=[Turn(**turn) for turn in found["polling"]],
    )


def _rounded(value: Any) -> Any:
    """Return the same with times to a millisecond."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return round(value, 3) if isinstance(value, float) else value
