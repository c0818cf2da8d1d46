"""Wraps ``Celery.send_task``: guarded tasks are published with their lock."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    has_stamped_messages,
    is_same_id,
    is_stamped,
    new_message_id,
    stamping,
)
from ..options.app_settings import settings_of
from ..options.call_options import NO_CALL_OPTIONS, CallOptions, call_options_in
from ..options.guarded_class import guarded_class_of, registered_task
from ..options.lock_types import TAKEN_AT_PUBLISH
from ..options.shadow import goes_on_in_shadow
from ..options.task_spec import TaskSpec
from .outgoing import Outgoing
from .publish import may_wait_for_own_body, publish
from .send_options import SendOptions, is_bound

logger = logging.getLogger(__name__)


def guarded_send_task(
    send_task: Callable[..., Any], make: Callable[[Celery, str], Any]
) -> Callable[..., Any]:
    """Wrap ``Celery.send_task``, through which every message passes.

    Such as those of ``delay`` and ``apply_async``, canvases and their callbacks,
    retries, beat, and calls by name.

    Arguments:
        make: makes the guarded task of a name, if the app has not made it yet; returns
            None if there is none.
    """
    # The options may be positional: send_task(name, args, kwargs, countdown, ...).
    names = tuple(inspect.signature(send_task).parameters)[4:]

    def guarded(
        app: Celery,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        *more: Any,
        **options: Any,
    ) -> Any:
        if len(more) > len(names):  # another wrapper hides the names
            return send_task(app, name, args, kwargs, *more, **options)
        if more:
            options.update(zip(names, more))
        send = functools.partial(send_task, app, name, args, kwargs)
        return _send(_Call(app, name, args, kwargs, options, send), make)

    return guarded


@dataclass(eq=False, repr=False)
class _Call:
    """One call of ``send_task``.

    Attributes:
        send: the wrapped ``send_task``, which needs only the options.
    """

    app: Celery
    name: str
    args: Any
    kwargs: Any
    options: dict[str, Any]
    send: Callable[..., Any]

    @property
    def well_formed(self) -> bool:
        """False if Celery refuses the arguments, with its own error."""
        args, kwargs = self.args or (), self.kwargs or {}
        # Asked for a dict first: an abstract class takes ten times as long to ask.
        return isinstance(args, (list, tuple)) and isinstance(kwargs, (dict, Mapping))


def _send(call: _Call, make: Callable[[Celery, str], Any]) -> Any:
    """Publish a guarded task; send any other task as Celery does."""
    app, name, options = call.app, call.name, call.options
    call_options = _pop_call_options(app, name, options)
    if is_stamped(options.get("task_id")):  # the same message, once more
        return call.send(**options)
    task = options.get("task_type") or registered_task(app, name) or make(app, name)
    guarded_class = guarded_class_of(task, app)
    if guarded_class is not None and call.well_formed:
        spec = guarded_class.spec
        if not call_options and _takes_lock_at_start(name, task, spec, options):
            result = call.send(**options)
            result.duplicate = False
            return result
        return publish(_outgoing(call, task, spec, call_options), call.send)
    if call_options.enabled and call_options and task is not None:
        raise ConfigurationError(
            f"unique= and unique_key= are for tasks with @unique: {name} has none"
        )
    return _send_by_name(options, call_options, call.send)


def _pop_call_options(app: Celery, name: str, options: dict[str, Any]) -> CallOptions:
    try:
        return CallOptions.pop_from(options)
    except ConfigurationError as error:
        if goes_on_in_shadow(app, name, error):
            return NO_CALL_OPTIONS
        if not is_bound(app, options, bool(options.get("task_id"))):
            raise
        # The error would fail the task that has ended and sends this message.
        logger.exception("a callback or member of a canvas is sent without its unique=")
        return NO_CALL_OPTIONS


def _takes_lock_at_start(
    name: str, task: Task, spec: TaskSpec, options: Mapping[str, Any]
) -> bool:
    """Tell whether Celery may send a call as it is: its worker takes the lock.

    The message gets its id as each message of the task does. False if in doubt:
    :func:`.publish` looks closer, and decides who gets an error.
    """
    if options.get("retries") or not has_stamped_messages(name):
        return False
    if spec.options.lock in TAKEN_AT_PUBLISH:  # whatever the settings are
        return False
    try:
        settings = settings_of(task.app)
        plan = spec.plan(task, settings)
    except Exception:
        return False
    reserves = settings.enabled and plan.lock.taken_at_publish
    return not (reserves or may_wait_for_own_body(plan))


def _outgoing(
    call: _Call, task: Task, spec: TaskSpec, call_options: CallOptions
) -> Outgoing:
    """Return the message of a call, with the options of the try that it follows."""
    args, kwargs = tuple(call.args or ()), dict(call.kwargs or {})
    options = call.options
    named = bool(options.get("task_id"))
    options["task_id"] = options.get("task_id") or uuid()
    before = _request_before(task, options)
    if before is not None:
        call_options = call_options or _call_options_before(before)
        if (list(before.args or ()), before.kwargs or {}) == (list(args), kwargs):
            options.update({**options_to_keep(before), **options})
    send_options = SendOptions(task, options, named)
    return Outgoing(
        task, args, kwargs, send_options, call_options, spec, new_message_id()
    )


def _request_before(task: Task, options: dict[str, Any]) -> Any:
    """Return the request of the try that this one follows; None if it follows none."""
    # First: a task that another thread is about to bind has no request.
    if not options.get("retries"):
        return None
    request = task.request
    return request if is_same_id(request.id, options["task_id"]) else None


def _call_options_before(request: Any) -> CallOptions:
    """Return the call options of the try that this one follows."""
    published = LockHeader.of(vars(request))
    if published is None:
        return NO_CALL_OPTIONS
    # The first try has followed the holder; its retry is no successor.
    return replace(call_options_in(published), successor=False)


def _send_by_name(
    options: dict[str, Any], call_options: CallOptions, send: Callable[..., Any]
) -> Any:
    """Send a task that this process does not know; its worker reads the options."""
    if not call_options:
        return send(**options)
    task_id = options["task_id"] = options.get("task_id") or uuid()
    message = new_message_id()
    published = LockHeader(
        str(task_id),
        message,
        own_key=call_options.has_key,
        given=call_options.key if call_options.has_key else None,
        unique=call_options.header(),
        follows=task_id if call_options.successor else None,
    )
    headers = {MESSAGE_HEADER: message, LOCK_HEADER: published.header()}
    connect_stamping()
    with stamping(task_id, headers):
        return send(**options)
