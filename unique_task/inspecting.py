"""``celery inspect unique``: what a worker answers to whoever operates it."""

from __future__ import annotations

from typing import Any

from celery.worker.control import inspect_command

# Every celery command imports this module, as Celery has to know the name of an inspect
# command there, too: what only a worker needs, it imports when it is asked.


@inspect_command(name="unique")
def inspect_unique(state: Any, **_: Any) -> dict[str, Any]:
    """Unique tasks: their leases, calls that wait, version, stores, rules of keys."""
    from .operating.inspected import inspected

    return inspected(state.app, state.hostname)
