"""The methods of a task class that the guard wraps: apply, retry, on_replace."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from celery import Task
from celery.canvas import Signature
from kombu.utils.uuid import uuid

from ..exceptions import ConfigurationError, UniqueError
from ..keys.digest import source_of
from ..leases.current import lease_for, progress_of, request_of
from ..leases.lease import Lease
from ..messages.lock_header import LockHeader
from ..messages.stamp import LOCK_HEADER
from ..options.call_options import CallOptions
from ..options.guarded_class import spec_of
from ..options.shadow import goes_on_in_shadow


def guarded_apply(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``Task.apply``, so that it takes ``unique=`` and ``unique_key=``."""
    names = _positional(apply)

    @functools.wraps(apply)
    def guarded(task: Task, *args: Any, **options: Any) -> Any:
        try:
            call_options = CallOptions.pop_from(options)
            if call_options:
                options.update(zip(names, args))
                args = args[len(names) :]
                options["headers"] = _with_lock(task, call_options, options)
        except UniqueError as error:
            if not goes_on_in_shadow(task.app, task.name, error):
                raise
        result = apply(task, *args, **options)
        result.duplicate = False
        return result

    return guarded


def _with_lock(
    task: Task, call_options: CallOptions, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the headers of an eager call, with those of its options for the guard."""
    task_id = options["task_id"] = options.get("task_id") or uuid()
    published = LockHeader(
        str(task_id),
        "",
        spec_of(task).namespace(task),
        own_key=call_options.has_key,
        source=source_of(call_options.key) if call_options.has_key else None,
        unique=call_options.header(),
    )
    return {**_headers(options), LOCK_HEADER: published.header()}


def _positional(apply: Callable[..., Any]) -> list[str]:
    """Return the names that callers may give by position: args, kwargs, link, ..."""
    parameters = inspect.signature(apply).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):  # it passes them on
        parameters = inspect.signature(Task.apply).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]


def _headers(options: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = options.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            f"headers={headers!r}: must be a dict in an eager call with unique= or "
            "unique_key=, which are passed on in it"
        )
    return headers


def guarded_retry(retry: Any) -> Any:
    """Wrap ``Task.retry``, so that an error of the guard ends the task at once.

    ``autoretry_for=(Exception,)`` catches all errors but Ignore and Retry. It would
    spend the task's retries on "another task holds the key" and "the store is down".
    """

    @functools.wraps(retry)
    def retry_or_raise(task: Task, *args: Any, **kwargs: Any) -> Any:
        error, progress = kwargs.get("exc"), progress_of(task)
        if error is not None and progress and id(error) == progress.guard_error:
            raise error
        return retry(task, *args, **kwargs)

    return retry_or_raise


def guarded_on_replace(on_replace: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``Task.on_replace``, so that the lock is free before another task runs.

    The other task has the id of this one, so a caller can see its result too early::

        this task   sends the other    ...    raises Ignore, the guard releases the lock
        the other                runs, ends
        a caller                           sees the result, calls again: a duplicate
    """

    @functools.wraps(on_replace)
    def leave_and_replace(task: Task, sig: Signature) -> Any:
        request = request_of(task)
        lease = None if request.is_eager else lease_for(request)
        if lease is not None and not _inherits(lease, sig):
            lease.end(leaves=True)
        return on_replace(task, sig)

    return leave_and_replace


def _inherits(lease: Lease, sig: Signature) -> bool:
    """Tell whether the task that replaces this one inherits the lock, like a retry."""
    return lease.held_to_end and sig.task == lease.task.name
