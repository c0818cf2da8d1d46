"""What workers tell each other, and people, of the calls that wait: remote control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.control import control_command, inspect_command

from .line import Neighbour
from .neighbours import ASKS, FREES
from .next_steps import Asks, Frees, Next
from .room import Room
from .step import step_of


@control_command(name=ASKS, visible=False)
def asks(state: Any, key: str, holder: str, worker: str, **more: Any) -> None:
    """Note that calls in another worker wait for a task of this one.

    Arguments:
        more: the rest; a later version may send what this one does not know.
    """
    neighbour = Neighbour(float(more["since"]), bool(more["shared"]))
    asked = Asks(state.hostname, str(key), str(holder), neighbour)
    _do(state, lambda room: room.asked(asked, str(worker)))


@control_command(name=FREES, visible=False)
def frees(state: Any, key: str, neighbours: Any, **more: Any) -> None:
    """Start a call that waits for a lock."""
    others = {
        str(name): Neighbour(float(since), bool(shared))
        for name, since, shared in neighbours
    }
    succeeded, holder = bool(more.get("succeeded")), more.get("holder")
    passed = tuple(map(str, more.get("passed", ())))
    freed = Frees(state.hostname, str(key), others, succeeded, holder, passed)
    _do(state, lambda room: room.freed(freed))


def _do(state: Any, decide: Callable[[Room], Next]) -> None:
    step = step_of(state.hostname)
    if step is not None:
        step.do(decide)


# For our own commands, which look for one key; people see it by "inspect unique".
@inspect_command(name="unique_waiting", visible=False)
def waiting(state: Any, **_: Any) -> list[dict[str, Any]]:
    """Calls that wait for a lock in this worker: how many for each key, since when."""
    step = step_of(state.hostname)
    return [] if step is None else step.report()
