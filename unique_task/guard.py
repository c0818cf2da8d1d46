"""One guarded call: go in, run the body under its lock, and free it on the way out."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.exceptions import Ignore

from .admission import Answer, admit
from .arguments import Parameters
from .attempt import Attempt
from .backends.record import Record
from .calls import Call
from .current import held_lease, run_under
from .durations import seconds
from .exceptions import LockStoreError
from .exits import leave, settle
from .keys import Key
from .lease import Lease, Unguarded
from .options import Options
from .plan import Plan, plan_of
from .process import this_process
from .requeue import LeftAlone
from .settings import Settings, backend_of, settings_of
from .started import note_started
from .values import encode_value


class Guard:
    """Guards one task.

    Arguments:
        options: what ``@unique`` says of the task.
        parameters: of the task, without ``self``.

    Raises:
        ConfigurationError: if ``key=`` does not fit the parameters.
    """

    def __init__(self, options: Options, parameters: Parameters) -> None:
        self.options = options
        self.parameters = parameters
        self._key = Key(options.key, parameters)
        self._expire = (
            None if options.expire is None else seconds("expire", options.expire)
        )
        self._planned: tuple[Settings, float, Plan] | None = None

    def __call__(self, call: Call) -> Any:
        """Run the body of `call` under its lock, or do what the policy says.

        Raises:
            DuplicateTaskError: if the policy says so.
            LockStoreError: if the store does not answer, and the settings say so or the
                call has no queue to come back from.
            UniqueKeyError: if the arguments cannot be made a key.
            Exception: what the body raises; Celery's Ignore, Retry and Reject.
        """
        try:
            entry = self._enter(call)
        except Ignore as verdict:
            # Celery copies every frame of the traceback, twice, and throws them away.
            raise verdict.with_traceback(None) from None
        except Exception as verdict:
            call.note_verdict(verdict)
            raise
        if isinstance(entry, Answer):
            return entry.value
        return call.body() if entry is None else self._run(call, entry)

    def check(self, task: Task) -> None:
        """Raise ConfigurationError if options or settings make no sense."""
        settings = settings_of(task.app)
        self._plan(task, settings)
        if settings.enabled:
            backend_of(task.app, settings, self.options.backend)

    def digest(self, task: Task, args: Any, kwargs: Any) -> str:
        """Return the key of a call of `task` with these arguments."""
        return self._key.digest(self.options.namespace or task.name, args, kwargs)

    def expire(self, task: Task, settings: Settings) -> float:
        """Return how many seconds a lock of `task` stands when nothing renews it."""
        return settings.expire if self._expire is None else self._expire

    def _enter(self, call: Call) -> Lease | Answer | None:
        """Return a lease, an answer, or None for a call inside of its own attempt."""
        settings = settings_of(call.task.app)
        if not settings.enabled:
            return Unguarded(call.task, call.request, call.owner)
        attempt = self._attempt(call, settings)
        if held_lease(attempt.key, attempt.backend) is not None:
            return None
        try:
            entry = admit(attempt)
        except (LeftAlone, LockStoreError):
            raise
        except Exception:
            self._settle(attempt)
            raise
        if isinstance(entry, Answer):
            self._settle(attempt)
        return entry

    def _settle(self, attempt: Attempt) -> None:
        if attempt.remember:
            settle(attempt.call, attempt.finish)

    def _attempt(self, call: Call, settings: Settings) -> Attempt:
        task = call.task
        token = str(call.token())
        return Attempt(
            call,
            self._plan(task, settings),
            backend_of(task.app, settings, self.options.backend, eager=call.eager),
            self.digest(task, call.args, call.kwargs),
            Record(token, task.name, call.worker, process=this_process()),
        )

    def _plan(self, task: Task, settings: Settings) -> Plan:
        expire = self.expire(task, settings)
        planned = self._planned
        if planned is None or planned[0] is not settings or planned[1] != expire:
            plan = plan_of(self.options, settings, expire)
            planned = self._planned = settings, expire, plan
        return planned[2]

    def _run(self, call: Call, lease: Lease) -> Any:
        stored, ended = None, False
        try:
            value = run_under(lease, lambda: self._body(call))
            ended = True
            if lease.fresh is not None:
                stored = encode_value(call.task, value)
            return value
        except Exception:
            ended = True
            raise
        finally:
            leave(call, lease, stored, ended=ended)

    @staticmethod
    def _body(call: Call) -> Any:
        # The store of states may take its time: by now the lock is renewed.
        note_started(call)
        return call.body()
