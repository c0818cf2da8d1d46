"""How often and since when an attempt has come back without running."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..backends.record import Token
from .stamp import MESSAGE_HEADER, WAIT_HEADER, our_headers
from .waits_for import WaitsFor

#: The highest number of waits that counts: pauses do not grow any more by then.
_MOST_WAITS = 10**6

#: How many tokens are kept. The waits for a store grow: after so many, the lock that
#: the store may have given to the first token has ended.
_UNANSWERED = 5


@dataclass
class Waited:
    """How often and since when an attempt has come back without running.

    Attributes:
        times: how often; 0 for an attempt that comes for the first time.
        since: when it first had to wait, in seconds since 1970.
        message: id of the message that came first; each requeue sends another one.
        admitted: whether an earlier delivery of it got the lock.
        unanswered: the latest tokens for which it asked the store and got no answer;
            the store may have given the lock to one of them.
        waits_for: the lock that it waits for; only for the worker that keeps the
            message meanwhile, see :mod:`unique_task.waiting`.
    """

    # A wire format: these names, and "sent", travel in WAIT_HEADER between versions.
    times: int
    since: float
    message: Any = None
    admitted: bool = False
    unanswered: tuple[str, ...] = ()
    waits_for: WaitsFor | None = None

    @classmethod
    def of(cls, request: Any) -> Waited:
        """Read the waits of the attempt that `request` is about.

        A header of another message does not count: Celery forwards headers to retries
        and callbacks. Nor does one that is malformed.
        """
        return cls.among(our_headers(vars(request)), request.id)

    @classmethod
    def among(cls, ours: Mapping[str, Any], task_id: Any) -> Waited:
        """Read the waits among our headers of a message; see :meth:`of`."""
        header, message = ours.get(WAIT_HEADER), ours.get(MESSAGE_HEADER)
        if message is None or header is None:
            return cls(0, time.time(), message)
        try:
            if header["sent"] != message:
                raise LookupError("it came with another message")
            tokens = _tokens(header["unanswered"], task_id)
            times, since = _count(header["times"]), _moment(header["since"])
            admitted = bool(header["admitted"])
            return cls(times, since, header["message"], admitted, tokens)
        except (LookupError, TypeError, ValueError):
            return cls(0, time.time(), message)

    def again(
        self,
        admitted: bool,
        unanswered: str | None,
        waits_for: WaitsFor | None = None,
    ) -> Waited:
        """Return the waits for the next delivery to read."""
        tokens = (*self.unanswered, unanswered)[-_UNANSWERED:] if unanswered else ()
        return replace(
            self,
            times=self.times + 1,
            admitted=self.admitted or admitted,
            unanswered=tokens,
            waits_for=waits_for,
        )

    def header(self, sent: str) -> dict[str, Any]:
        """Return it as the header of a message.

        Arguments:
            sent: id of that message.
        """
        header = {"sent": sent, **asdict(self)}
        if self.waits_for is None:
            del header["waits_for"]
        return header


def is_queued(request: Any) -> bool:
    """Tell whether a worker got the call from a queue, to which it can go back.

    Arguments:
        request: Celery's request; None for a direct call.
    """
    return request is not None and not request.is_eager


def _count(value: Any) -> int:
    """Return the number of waits that a message claims, within bounds."""
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__qualname__} is no count")
    return min(max(value, 0), _MOST_WAITS)


def _moment(value: Any) -> float:
    """Return the start of the waits that a message claims, not later than now."""
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError("no moment after 1970")
    # A wait that begins in the future would never end by its timeout.
    return float(min(value, time.time()))


def _tokens(tokens: Any, owner: str) -> tuple[str, ...]:
    """Return the latest of `tokens`, without those of other tasks than `owner`."""
    if not isinstance(tokens, (list, tuple)):
        raise TypeError("no list of tokens")
    latest = tokens[-_UNANSWERED:]
    return tuple(token for token in latest if Token.belongs_to(token, owner))
