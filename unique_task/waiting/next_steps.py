"""What a worker has to do next for the calls that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .line import Neighbour, Waiting


@dataclass(frozen=True)
class Asks:
    """Asks another worker to tell when a holder that runs there has ended."""

    worker: str
    key: str
    holder: str
    neighbour: Neighbour


@dataclass(frozen=True)
class Frees:
    """Tells another worker that it is its turn to start a call.

    Attributes:
        neighbours: the other workers where calls wait for the lock.
        succeeded: whether a holder has succeeded, so that all can go on that share its
            value.
        holder: that was asked about, if it does not run here.
        passed: the workers through which the turn has come: none passes it on twice.
    """

    worker: str
    key: str
    neighbours: Mapping[str, Neighbour]
    succeeded: bool = False
    holder: str | None = None
    passed: tuple[str, ...] = ()


@dataclass
class Next:
    """What the worker has to do next.

    Attributes:
        start: calls to start now.
        look: seconds after which to call :meth:`Room.look`, and for which call.
        tell: messages to other workers.
    """

    start: list[Waiting] = field(default_factory=list)
    look: list[tuple[float, Waiting]] = field(default_factory=list)
    tell: list[Asks | Frees] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.start or self.look or self.tell)
