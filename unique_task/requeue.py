"""A task that comes back later as the same task."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from celery import Task
from celery.exceptions import Ignore, Reject
from kombu.exceptions import EncodeError

from .messages import message_of

#: Message header that counts the waits of one attempt.
HEADER = "unique_task_wait"

# The waits for a store grow; after so many, the lock asked for first has ended.
_UNANSWERED = 5


@dataclass(frozen=True)
class Waited:
    """How often, and since when, an attempt has come back without running.

    Attributes:
        times: 0 for an attempt that comes for the first time.
        since: when it first had to wait, in seconds since 1970.
        redelivered: whether the broker has ever delivered it again; what it says of the
            present message is gone with the next one.
        message: mark of the message that came first; each that is sent has another.
        unanswered: the latest tokens with which it asked for the lock and heard
            nothing; the store may have given it the lock under one of them.
    """

    times: int
    since: float
    redelivered: bool
    message: str = ""
    unanswered: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Any) -> Waited:
        """Read the waits of the attempt that `request` is about.

        A header of another task or attempt does not count: Celery forwards headers to
        retries and callbacks.
        """
        redelivered = bool((request.delivery_info or {}).get("redelivered"))
        header = (request.headers or {}).get(HEADER)
        if not isinstance(header, dict) or header.get("attempt") != _attempt(request):
            return cls(0, time.time(), redelivered, message_of(request))
        redelivered = redelivered or header["redelivered"]
        unanswered = tuple(header["unanswered"])
        message = header["message"]
        return cls(header["times"], header["since"], redelivered, message, unanswered)

    def header(self, request: Any, unanswered: str | None) -> dict[str, Any]:
        """Return what the next arrival reads."""
        header = {"attempt": _attempt(request), **asdict(self)}
        tokens = (*self.unanswered, unanswered)[-_UNANSWERED:] if unanswered else ()
        return {**header, "times": self.times + 1, "unanswered": tokens}


def come_back(
    task: Task,
    request: Any,
    countdown: float,
    reason: Exception,
    *,
    quiet: bool = False,
    unanswered: str | None = None,
) -> NoReturn:
    """Send the message of `request` again, to arrive in `countdown` seconds.

    It stays the same task: id, arguments, retries, callbacks, chord, chain, headers,
    priority, queue and expiry; its own retry budget is untouched.

    Arguments:
        reason: what the task's state RETRY and the log show.
        quiet: write no state. For waits in which another delivery of the same task owns
            the state, or the store of states may be out of order.
        unanswered: token with which this arrival asked for the lock, to no answer.

    Raises:
        celery.exceptions.Ignore: ends this arrival.
        celery.exceptions.Reject: if the message cannot be sent; one that is
            acknowledged late goes back to its queue.
        kombu.exceptions.EncodeError: if the task's serializer cannot write what another
            one had written: the message would go back for ever.
        Exception: `reason`, if the message cannot be sent and is acknowledged already.
    """
    header = Waited.of(request).header(request, unanswered)
    signature = _same_again(task, request, countdown, header)
    if not (quiet or ignores_result(task, request)):
        # Before the message is sent: Celery stores a raised Retry after it::
        #
        #     this arrival  sends the message                       stores RETRY
        #     the next one                     runs, stores FAILURE
        #
        # and whoever waits for the result would wait for ever.
        task.backend.mark_as_retry(request.id, reason, request=request)
    try:
        signature.apply_async()
    except EncodeError:
        raise
    except Exception as error:
        if task.acks_late:
            raise Reject(error, requeue=True) from error
        raise reason from error
    raise Ignore(f"comes back in {countdown:.1f} s: {reason}")


def _same_again(
    task: Task, request: Any, countdown: float, waited: dict[str, Any]
) -> Any:
    # Redis as broker adds "redelivered" to the headers of what it delivers again; sent
    # on, it would stick to the task.
    headers = {k: v for k, v in (request.headers or {}).items() if k != "redelivered"}
    headers[HEADER] = waited
    options = {"countdown": countdown, "retries": request.retries, "headers": headers}
    if request.ignore_result is not None:
        options["ignore_result"] = request.ignore_result
    return task.signature_from_request(request, request.args, request.kwargs, **options)


def ignores_result(task: Task, request: Any) -> bool:
    """Tell whether nobody will ask for the result: the call says so, else the task."""
    ignore = request.ignore_result
    return bool(task.ignore_result if ignore is None else ignore)


def _attempt(request: Any) -> str:
    return f"{request.id}/{request.retries}/{request.replaced_task_nesting}"
