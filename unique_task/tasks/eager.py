"""Eager calls, ``apply()``, that say something of their guard."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from celery import Task
from kombu.utils.uuid import uuid

from ..exceptions import ConfigurationError
from ..keys.digest import source_of
from ..messages.lock_header import LockHeader
from ..messages.stamp import LOCK_HEADER
from ..options.call_options import CallOptions
from ..options.task_spec import TaskSpec


def guarded_apply(
    apply: Callable[..., Any], spec_of: Callable[[Task], TaskSpec]
) -> Callable[..., Any]:
    """Wrap ``Task.apply``, so that it takes ``unique=`` and ``unique_key=``."""
    names = _positional(apply)

    @functools.wraps(apply)
    def guarded(task: Task, *args: Any, **options: Any) -> Any:
        said = CallOptions.pop_from(options)
        if said:
            options.update(zip(names, args))
            args = args[len(names) :]
            task_id = options["task_id"] = options.get("task_id") or uuid()
            spec = spec_of(task)
            published = LockHeader(
                str(task_id),
                "",
                spec.namespace(task),
                own_key=said.has_key,
                source=source_of(said.key) if said.has_key else None,
                unique=said.header(),
            )
            headers = _headers(options)
            options["headers"] = {**headers, LOCK_HEADER: published.header()}
        result = apply(task, *args, **options)
        result.duplicate = False
        return result

    return guarded


def _positional(apply: Callable[..., Any]) -> list[str]:
    """Return what may be given by position: args, kwargs, link, link_error, task_id."""
    parameters = inspect.signature(apply).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):  # it hands them on
        parameters = inspect.signature(Task.apply).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]


def _headers(options: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = options.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            f"headers={headers!r}: an eager call with unique= or unique_key= takes a "
            "dict here, in which these go along"
        )
    return headers
