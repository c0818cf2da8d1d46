"""A task that comes back later as the same task."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, NoReturn

from celery import Task
from celery.exceptions import Ignore, Reject

from ..backends.record import Token
from ..exceptions import DuplicateTaskError
from .bounds import SHORTEST_PAUSE, count, moment
from .delays import sendable
from .same_again import same_again, send
from .stamp import (
    HEADER,
    LOCK_HEADER,
    WAIT_HEADER,
    is_same_id,
    new_header,
    ours_in,
    published_with,
)

# Documented: the log of duplicates, wherever its lines are written.
logger = logging.getLogger("unique_task.duplicates")

#: Longest time in seconds before what cannot be sent goes back to its queue.
_PAUSE = 1.0

# The waits for a store grow; after so many, the lock asked for first has ended.
_UNANSWERED = 5


class LeftAlone(Ignore):
    """Ends an arrival that says nothing of what becomes of its task."""


@dataclass(frozen=True)
class Waited:
    """How often, and since when, an attempt has come back without running.

    Attributes:
        times: 0 for an attempt that comes for the first time.
        since: when it first had to wait, in seconds since 1970.
        message: header of the message that came first; each that is sent has another.
        admitted: whether it was let in before, in an earlier delivery.
        unanswered: the latest tokens with which it asked for the lock and heard
            nothing; the store may have given it the lock under one of them.
    """

    times: int
    since: float
    message: Any = None
    admitted: bool = False
    unanswered: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Any) -> Waited:
        """Read the waits of the attempt that `request` is about.

        A header that came with another message does not count: Celery forwards headers
        to retries and callbacks. Nor does one that nobody can read.
        """
        ours = ours_in(vars(request))
        header, message = ours.get(WAIT_HEADER), ours.get(HEADER)
        if message is None or header is None:
            return cls(0, time.time(), message)
        try:
            if header["sent"] != message:
                raise LookupError("it came with another message")
            tokens = _tokens(header["unanswered"], request.id)
            times, since = count(header["times"]), moment(header["since"])
            admitted = bool(header["admitted"])
            return cls(times, since, header["message"], admitted, tokens)
        except (LookupError, TypeError, ValueError):
            return cls(0, time.time(), message)

    def again(self, admitted: bool, unanswered: str | None) -> Waited:
        """Return what the next arrival shall know."""
        tokens = (*self.unanswered, unanswered)[-_UNANSWERED:] if unanswered else ()
        return replace(
            self,
            times=self.times + 1,
            admitted=self.admitted or admitted,
            unanswered=tokens,
        )


def come_back(
    task: Task,
    request: Any,
    countdown: float,
    reason: Exception,
    *,
    quiet: bool = False,
    admitted: bool = False,
    unanswered: str | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> NoReturn:
    """Send the message of `request` again, to arrive in `countdown` seconds.

    It stays the same task: id, arguments, retries, callbacks, chord, chain, headers,
    priority, queue and expiry; its own retry budget is untouched.

    Arguments:
        reason: what the task's state RETRY and the log show.
        quiet: write no state. For waits in which another delivery of the same task owns
            the state, or the store of states may be out of order.
        admitted: whether the attempt was let in before, so that it can but wait.
        unanswered: token with which this arrival asked for the lock, to no answer.
        options: of the new message, where it shall not be the same.

    Raises:
        LeftAlone: ends this arrival.
        celery.exceptions.Reject: if the message cannot be sent; one that is
            acknowledged late goes back to its queue.
        Exception: `reason`, if the message cannot be sent and is acknowledged already.
    """
    # Shorter ones, of many messages that wait for one lock, keep a broker busy.
    countdown = max(countdown, SHORTEST_PAUSE)
    sent = new_header()
    waited = {"sent": sent, **asdict(Waited.of(request).again(admitted, unanswered))}
    signature = same_again(task, request, **options)
    countdown = sendable(task, countdown, signature.options)
    signature.set(countdown=countdown)
    if not (quiet or ignores_result(task, request)):
        # Before the message is sent: Celery stores a raised Retry after it::
        #
        #     this arrival  sends the message                       stores RETRY
        #     the next one                     runs, stores FAILURE
        #
        # and whoever waits for the result would wait for ever.
        task.backend.mark_as_retry(request.id, reason, request=request)
    try:
        with published_with(request.id, _headers(request, sent, waited)):
            send(signature, task)
    except Exception as error:
        if task.acks_late:
            # It is delivered again at once, and would be thousands of times a second.
            time.sleep(min(countdown, _PAUSE))
            raise Reject(error, requeue=True) from error
        raise reason from error
    _report_wait(task, request.id, _whom(request, reason), countdown)
    raise LeftAlone(f"comes back in {countdown:.1f} s: {reason}")


def _report_wait(task: Task, task_id: str, whom: str, countdown: float) -> None:
    """Log each time that a task waits: without a word it would look dropped."""
    logger.info(
        "%s[%s] waits for %s, back in %g s",
        *(task.name, task_id, whom, round(countdown, 1)),
    )


def _tokens(tokens: Any, owner: str) -> tuple[str, ...]:
    """Return those of `tokens` with which the task `owner` asked for its lock."""
    if not isinstance(tokens, (list, tuple)):
        raise TypeError("no list of tokens")
    latest = tokens[-_UNANSWERED:]
    return tuple(token for token in latest if Token.belongs_to(token, owner))


def _whom(request: Any, reason: Exception) -> str:
    """Return whom a task waits for, for the log."""
    if not isinstance(reason, DuplicateTaskError):
        return "the store of locks"
    if is_same_id(reason.owner, request.id):
        return "an earlier delivery or try of its own"
    return reason.owner or "another call"


def _headers(request: Any, sent: str, waited: dict[str, Any]) -> dict[str, Any]:
    """Return the headers of the next message: the lock of this one goes with it."""
    headers = {HEADER: sent, WAIT_HEADER: waited}
    lock = ours_in(vars(request)).get(LOCK_HEADER)
    if isinstance(lock, dict):
        headers[LOCK_HEADER] = {**lock, "message": sent}
    return headers


def is_queued(request: Any) -> bool:
    """Tell whether a worker got the call from a queue, to which it can go back.

    Arguments:
        request: Celery's request; None for a direct call.
    """
    return request is not None and not request.is_eager


def ignores_result(task: Task, request: Any) -> bool:
    """Tell whether nobody will ask for the result: the call says so, else the task."""
    ignore = request.ignore_result
    return bool(task.ignore_result if ignore is None else ignore)
