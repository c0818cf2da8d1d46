"""What a waiting call waits for, as its message tells the worker that keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..backends.steps import Held
from .bounds import LONGEST_PAUSE
from .stamp import MESSAGE_HEADER, WAIT_HEADER, our_headers

#: Holders that a message names at most: more would make it long.
_MOST = 50

#: Letters of a key at most: it is a digest, and workers tell it each other.
_LONGEST_KEY = 100


@dataclass(frozen=True)
class WaitsFor:
    """The lock for which a call waits.

    Attributes:
        key: of the lock; calls with the same key wait for each other.
        holders: the tasks that run under the lock, each with the node that runs it.
        limit: how many may hold the lock at once.
        shared: whether all that wait can go on once a holder has succeeded, as each
            gets its value.
        patience: seconds between two questions to the store at most, for the call that
            waits longest.
        until: when the call must come back at the latest, in seconds since 1970; None
            if it can wait for as long as the broker allows.
    """

    # A wire format: these names travel in WAIT_HEADER between versions.
    key: str
    holders: tuple[tuple[str, str], ...] = ()
    limit: int = 1
    shared: bool = False
    patience: float = 30.0
    until: float | None = None

    @classmethod
    def of(cls, key: str, held: Iterable[Held], **more: Any) -> WaitsFor:
        """Return what waits for the lock of `key`, which these hold.

        A message that waits in a queue holds a lock, too, but nobody knows which worker
        will run it.
        """
        running = [each.record for each in held if each.record.state == "running"]
        holders = tuple((each.owner, each.worker) for each in running[:_MOST])
        return cls(key, holders, **more)

    @classmethod
    def in_message(cls, message: Mapping[str, Any]) -> WaitsFor | None:
        """Read it in the headers of a message; None if they have none that is valid.

        A header of another message does not count; see :meth:`.Waited.of`.

        Arguments:
            message: as for :func:`~unique_task.messages.stamp.our_headers`.
        """
        ours = our_headers(message)
        waited, message_id = ours.get(WAIT_HEADER), ours.get(MESSAGE_HEADER)
        if not isinstance(waited, Mapping) or message_id is None:
            return None
        # Celery forwards headers to retries and callbacks.
        if waited.get("sent") != message_id or "waits_for" not in waited:
            return None
        return cls.read(waited["waits_for"])

    @classmethod
    def read(cls, header: Any) -> WaitsFor | None:
        """Read what ``dataclasses.asdict`` wrote; None if it is not valid."""
        try:
            key, until = str(header["key"]), header["until"]
            if len(key) > _LONGEST_KEY:
                raise ValueError("no digest")
            return cls(
                key,
                tuple(
                    (str(task), str(node)) for task, node in header["holders"][:_MOST]
                ),
                max(1, int(header["limit"])),
                bool(header["shared"]),
                min(LONGEST_PAUSE, float(header["patience"])),
                None if until is None else float(until),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
