"""What type checkers see of a guarded task: the options and results that Celery lacks.

At run time a guarded task is the task that Celery made, and nothing here adds to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from celery import Task
from celery.result import AsyncResult

from ..exceptions import ConfigurationError
from ..options.guarded_class import guarded_class_of

R = TypeVar("R")

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import ParamSpec

    from ..options.option_types import CallOption

    P = ParamSpec("P")

    class UniqueResult(AsyncResult[R]):
        """The result of a guarded call, of which nothing was sent if `duplicate`."""

        duplicate: bool

    class UniqueTask(Task[P, R]):
        """A guarded task, to type checkers."""

        def delay(self, *args: P.args, **kwargs: P.kwargs) -> UniqueResult[R]: ...

        def apply_async(
            self,
            args: Sequence[Any] | None = ...,
            kwargs: Mapping[str, Any] | None = ...,
            *more: Any,
            unique: CallOption = ...,
            unique_key: Any = ...,
            **options: Any,
        ) -> UniqueResult[R]: ...

else:
    UniqueResult, UniqueTask = AsyncResult, Task


def guarded(task: Task[P, R]) -> UniqueTask[P, R]:
    """Return the same task, for type checkers with what its guard adds to it.

    Those are the options ``unique=`` and ``unique_key=`` of ``apply_async()``, and
    ``.duplicate`` of results. Of a task with ``@unique`` above Celery's decorator they
    know that already.

    Raises:
        ConfigurationError: if the task has no ``@unique``.

    Example::

        result = guarded(charge).apply_async((8,), unique={"expire": 60})
        if result.duplicate: ...
    """
    if guarded_class_of(task) is None:
        raise ConfigurationError(
            f"guarded({task.name}): the task has no @unique, so its calls have no "
            "options for a guard, and are no duplicates"
        )
    return task  # type: ignore[return-value]
