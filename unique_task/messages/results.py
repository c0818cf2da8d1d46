"""The results that a caller gets for a call that was not sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Task, _state, states
from celery.backends.rpc import RPCBackend
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, EagerResult

from ..backends.record import Record
from ..exceptions import ConfigurationError


class HolderResult(AsyncResult):
    """The result of a task of which another caller may have a result already."""

    def get(self, *args: Any, **options: Any) -> Any:
        """Wait for the result, as Celery does.

        Raises:
            ConfigurationError: in the body of that very task.
        """
        if _is_under_way_here(self.id):
            raise _waits_for_itself(self.id)
        return super().get(*args, **options)

    wait = get

    def __del__(self) -> None:
        # Until Celery 5.7, the end of one result of a task ends the subscription of all
        # in this process: get() of a group with the task in it would wait for ever
        # (celery/celery#4925).
        pass


class LaterResult(HolderResult):
    """The result of a call that waits for a lock which its caller holds.

    Attributes:
        held: tells whether the caller still holds it, in this thread.
    """

    held: Callable[[], bool] = staticmethod(lambda: False)

    def get(self, *args: Any, **options: Any) -> Any:
        """Wait for the result, as Celery does.

        Raises:
            ConfigurationError: as long as the caller holds the lock.
        """
        if self.held():
            raise _waits_for_itself(self.id)
        return super().get(*args, **options)

    wait = get


class LaterHolderResult(LaterResult, HolderResult):
    """Both: the result of a holder that waits for a lock which the caller holds."""


def _is_under_way_here(task_id: str) -> bool:
    """Tell whether this thread is in the body of that task, or of one that it calls."""
    tasks = getattr(_state, "_task_stack").stack
    return any(r.id == task_id for task in tasks for r in task.request_stack.stack)


def _waits_for_itself(task_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"get() would wait for ever: the result of {task_id} needs the lock that the "
        "running body holds, or is that body's own. Call the function itself, "
        "task(...), which is no duplicate inside its own body, or do not wait"
    )


def result_of_holder(
    task: Task, holder: Record, *, own: bool, ignored: bool
) -> AsyncResult:
    """Return the result of the task that holds the lock.

    Arguments:
        own: whether its id is that of the call itself.
        ignored: whether the caller ignores results, as in ``AsyncResult.ignored``.
    """
    owner, backend = holder.owner, task.backend
    if not holder.has_result:
        return _revoked(task, owner, TaskRevokedError(holder.refusal))
    if isinstance(backend, RPCBackend) and not (own or ignored):
        return _revoked(task, owner, _out_of_reach(owner))
    result = HolderResult(owner, backend=backend, task_name=task.name, app=task.app)
    result.ignored = ignored
    return result


def _revoked(task: Task, task_id: str, error: Exception) -> EagerResult:
    return EagerResult(task_id, error, states.REVOKED, name=task.name)


def _out_of_reach(owner: str) -> ConfigurationError:
    return ConfigurationError(
        f"this call is a duplicate of {owner}, and cannot wait for its result: "
        "rpc:// sends a result only to the publisher of the task. Set a "
        "result_backend that keeps results (redis://, db+...), or let duplicates fail "
        'at once: on_duplicate="raise"'
    )


def ready_result(task: Task, task_id: str, value: Any) -> AsyncResult:
    """Return a result of the task `task_id` that is complete."""
    return EagerResult(task_id, value, states.SUCCESS, name=task.name)
