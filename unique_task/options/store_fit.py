"""Whether a store can do what the plan of a task asks of it."""

from __future__ import annotations

from ..backends.base import Backend
from ..exceptions import ConfigurationError
from .limit import Limit
from .plan import Plan


def check_store_fits(task_name: str, plan: Plan, backend: Backend) -> None:
    """Raise ConfigurationError if `backend` cannot keep the locks of a task."""
    if plan.expire > backend.promises.longest:
        raise ConfigurationError(
            f"{task_name}: expire={plan.expire:.0f}: {backend.name} keeps no lock "
            f"for more than {backend.promises.longest:.0f} seconds"
        )
    check_keeps_several(task_name, plan.limit, backend)


def check_keeps_several(task_name: str, limit: Limit, backend: Backend) -> None:
    """Raise ConfigurationError if a store cannot keep so many holders of a key."""
    if limit != 1 and not backend.promises.several_holders:
        raise ConfigurationError(
            f"{task_name}: limit={limit!r}: {backend.name} keeps one holder for each "
            "key; give the task another store by backend= or unique_backend, or use "
            "limit=1"
        )
