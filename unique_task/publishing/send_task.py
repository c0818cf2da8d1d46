"""Where Celery sends a task: what is guarded is published by us."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from celery import Celery, Task
from kombu.utils.uuid import uuid

from ..exceptions import ConfigurationError
from ..messages.lock_header import LockHeader
from ..messages.requeue import options_to_keep
from ..messages.stamp import (
    LOCK_HEADER,
    MESSAGE_HEADER,
    connect_stamping,
    is_same_id,
    is_stamped,
    new_message_id,
    stamping,
)
from ..options.call_options import NO_CALL_OPTIONS, CallOptions, call_options_in
from ..options.guarded_class import guarded_class_of, registered_task
from ..options.task_spec import TaskSpec
from .bound_messages import is_bound
from .outgoing import Outgoing
from .publish import publish

logger = logging.getLogger(__name__)

_OURS = "__unique_sending__"


def guarded_send_task(
    send_task: Callable[..., Any], make: Callable[[Celery, str], Any]
) -> Callable[..., Any]:
    """Wrap ``Celery.send_task``, through which every message passes.

    ``delay`` and ``apply_async``, canvases and their callbacks, retries, beat, and what
    is sent by name.

    Arguments:
        make: makes a guarded task of that name which its app has not made yet; None if
            there is none.
    """
    if hasattr(send_task, _OURS):
        return send_task
    # As it may be called: send_task(name, args, kwargs, countdown, ...).
    names = tuple(inspect.signature(send_task).parameters)[4:]

    @functools.wraps(send_task)
    def guarded(
        app: Celery,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        *more: Any,
        **options: Any,
    ) -> Any:
        if len(more) > len(names):  # wrapped by somebody who does not tell them
            return send_task(app, name, args, kwargs, *more, **options)
        options.update(zip(names, more))
        said = _said(app, options)
        send = functools.partial(send_task, app, name, args, kwargs)
        if is_stamped(options.get("task_id")):  # the same message, once more
            return send(**options)
        task = options.get("task_type") or registered_task(app, name) or make(app, name)
        guarded_class = guarded_class_of(task, app)
        if guarded_class is not None and _is_call(args, kwargs):
            call = tuple(args or ()), dict(kwargs or {})
            return _publish(task, guarded_class.spec, call, options, said, send)
        if said.enabled and said and task is not None:
            raise ConfigurationError(
                f"unique= and unique_key= are for tasks with @unique: {name} has none"
            )
        return _send_by_name(options, said, send)

    setattr(guarded, _OURS, True)
    return guarded


def _is_call(args: Any, kwargs: Any) -> bool:
    """Tell whether Celery would send these; of others it says itself what is wrong."""
    return isinstance(args or (), (list, tuple)) and isinstance(kwargs or {}, Mapping)


def _said(app: Celery, options: dict[str, Any]) -> CallOptions:
    try:
        return CallOptions.pop_from(options)
    except ConfigurationError:
        if not is_bound(app, options, bool(options.get("task_id"))):
            raise
        # Nobody would catch it but the task that has ended, and would fail by it.
        logger.exception("a callback or member of a canvas is sent without its unique=")
        return NO_CALL_OPTIONS


def _publish(
    task: Task,
    spec: TaskSpec,
    call: tuple[tuple[Any, ...], dict[str, Any]],
    options: dict[str, Any],
    said: CallOptions,
    send: Callable[..., Any],
) -> Any:
    named = bool(options.get("task_id"))
    options["task_id"] = options.get("task_id") or uuid()
    before = _request_before(task, options)
    if before is not None:
        said = said or _said_before(before)
        if (list(before.args or ()), before.kwargs or {}) == (list(call[0]), call[1]):
            options.update({**options_to_keep(before), **options})
    outgoing = Outgoing(task, *call, options, said, spec, new_message_id(), named)
    return publish(outgoing, send)


def _request_before(task: Task, options: dict[str, Any]) -> Any:
    """Return the request of the try that this one follows; None if it follows none."""
    # Not before: a task that another thread is about to bind has no request.
    if not options.get("retries"):
        return None
    request = task.request
    return request if is_same_id(request.id, options["task_id"]) else None


def _said_before(request: Any) -> CallOptions:
    """Return what was said of the try that this one follows."""
    published = LockHeader.of(vars(request))
    if published is None:
        return NO_CALL_OPTIONS
    # What follows another task once does not follow itself.
    return replace(call_options_in(published), successor=False)


def _send_by_name(
    options: dict[str, Any], said: CallOptions, send: Callable[..., Any]
) -> Any:
    """Send a task that this process does not know; its worker does what is said."""
    if not said:
        return send(**options)
    task_id = options["task_id"] = options.get("task_id") or uuid()
    message = new_message_id()
    published = LockHeader(
        str(task_id),
        message,
        own_key=said.has_key,
        given=said.key if said.has_key else None,
        unique=said.header(),
        follows=task_id if said.successor else None,
    )
    headers = {MESSAGE_HEADER: message, LOCK_HEADER: published.header()}
    connect_stamping()
    with stamping(task_id, headers):
        return send(**options)
