"""The base-class form: a task class that guards its tasks."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from celery import Task

from ..durations import Duration, seconds
from ..exceptions import ConfigurationError, UniqueKeyError
from ..keys.digest import source_of
from ..leases.current import held_lease
from ..options.guarded_class import installer_in, spec_of
from ..options.option_types import ClassOptions
from ..options.run_function import function_in
from ..options.settings import Settings
from ..options.task_options import Options, options_from
from ..options.task_spec import TaskSpec
from .wrapping import Wrapping


class ClassSpec(TaskSpec):
    """The lock configuration of a task, taken from attributes of its class."""

    def expire(self, task: Task, settings: Settings) -> float:
        name = "LOCK_EXPIRE"
        if getattr(task, "custom_lock_expire", None) is not None:
            name = "custom_lock_expire"
        return seconds(name, getattr(task, name))

    def key_rule(self, task: Any) -> object:
        rule = type(task).generate_lock_id
        is_own = rule is not UniqueCeleryTask.generate_lock_id
        return rule if is_own else super().key_rule(task)

    def digest(self, task: Any, args: Any, kwargs: Any) -> str:
        return self.digest_of(task, self._lock_id(task, args, kwargs))

    def source(self, task: Any, args: Any, kwargs: Any) -> str:
        return source_of(self._lock_id(task, args, kwargs))

    def _lock_id(self, task: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs = self.parameters.as_called(self.parameters.bind(args, kwargs))
        try:
            lock_id = task.generate_lock_id(*args, **kwargs)
        except UniqueKeyError:
            raise
        except Exception as error:
            raise UniqueKeyError(
                f"{task.name}: generate_lock_id() raised {error!r}"
            ) from error
        if lock_id is None:
            raise UniqueKeyError(
                f"{task.name}: generate_lock_id() returned None, which would be one "
                "key for many calls: return a string or plain data"
            )
        return lock_id

    @property
    def computed(self) -> bool:
        return True

    def default_id(self, task: Task, args: Any, kwargs: Any) -> str:
        """Return the key that a call has by ``unique_options``."""
        return super().digest(task, args, kwargs)


class UniqueCeleryTask(Task):
    """A task whose equal calls never run at once.

    Attributes:
        LOCK_EXPIRE: how long (seconds, timedelta) a lock stands when nothing renews it.
        custom_lock_expire: the same; where it is set, it counts more.
        unique_options: the other options of :func:`unique_task.unique`.

    Example::

        @app.task(base=UniqueCeleryTask)
        def process_data(data_id): ...
    """

    abstract = True

    LOCK_EXPIRE: ClassVar[Duration] = 600
    custom_lock_expire: ClassVar[Duration | None] = None
    unique_options: ClassVar[ClassOptions] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        run = inspect.getattr_static(cls, "run")
        if run is inspect.getattr_static(Task, "run"):
            return
        function = _unguarded(cls, function_in(run))
        wrapping = Wrapping(_options(cls), function, ClassSpec)
        guarded = wrapping.wrap(function)
        plain = isinstance(run, staticmethod)
        setattr(cls, "run", staticmethod(guarded) if plain else guarded)

    def generate_lock_id(self, *args: Any, **kwargs: Any) -> Any:
        """Return what makes two calls equal: a string or plain data. May be overridden.

        Gets the arguments of the call, with defaults applied.
        """
        return _spec(self).default_id(self, args, kwargs)

    def release_lock(self, lock_id: Any) -> bool:
        """Release a lock before the body ends.

        Arguments:
            lock_id: what :meth:`generate_lock_id` returns for the call.

        Returns:
            False if the current attempt does not hold it; then nothing is released.
        """
        lease = held_lease(_spec(self).digest_of(self, lock_id))
        return lease is not None and lease.release()


def _spec(task: Task) -> ClassSpec:
    spec = spec_of(task)
    assert isinstance(spec, ClassSpec)
    return spec


def _unguarded(cls: type[Task], run: Any) -> Any:
    """Return `run` without the guard that a parent class may have put around it."""
    wrapping = installer_in(run)
    if not isinstance(wrapping, Wrapping):
        return run
    if wrapping.spec_class is not ClassSpec:
        raise ConfigurationError(
            f"{cls.__qualname__} has @unique and is a UniqueCeleryTask: "
            "use one of the two"
        )
    return wrapping.function


def _options(cls: type[UniqueCeleryTask]) -> Options:
    if "expire" in cls.unique_options:
        raise ConfigurationError(
            "unique_options: set LOCK_EXPIRE or custom_lock_expire in place of expire"
        )
    return options_from(cls.unique_options, "unique_options")
