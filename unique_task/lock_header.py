"""What a message says of the lock that was taken for it when it was published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .call_options import CallOptions
from .lock_types import LOCK_TYPES
from .messages import HEADER, LOCK_HEADER, is_same_id, ours_in

_DIGEST = re.compile("[0-9a-f]{32}")
_TOKEN = re.compile(r"[!-~]+(/[!-~]*){4}")


@dataclass
class LockHeader:
    """What a message says of its lock.

    Attributes:
        id: of the task.
        message: header of the message; each that is sent has another.
        namespace: of the lock; None if the publisher does not know the task.
        key: of the call, as computed where it was published; None if it was not.
        own_key: whether the caller gave the key, so that it does not follow from the
            arguments.
        given: the caller's key as it is, where the namespace is not known.
        token: that reserved the lock; None if nothing was reserved.
        generation: fence of that, if another message may have taken its place.
        until: when the reservation ends if the message does not start, in seconds since
            1970.
        store: fingerprint of the store it was reserved in.
        lock: its lock type, which may be another one where the task runs.
        unique: what the call says of its guard, see
            :meth:`~unique_task.call_options.CallOptions.header`.
    """

    id: str
    message: str
    namespace: str | None = None
    key: str | None = None
    own_key: bool = False
    given: Any = None
    token: str | None = None
    generation: int | None = None
    until: float = 0
    store: str = ""
    lock: str | None = None
    unique: Any = None

    def header(self) -> dict[str, Any]:
        """Return it as a header of the message, without what says nothing."""
        said = {name: value for name, value in vars(self).items() if value}
        if self.unique is False:
            said["unique"] = False
        # An eager call has no message, and says so.
        return {**said, "message": self.message}

    @property
    def said(self) -> CallOptions:
        """What the call says of its guard.

        Raises:
            ConfigurationError: if this version does not know what it says.
        """
        said = CallOptions.of_header(self.unique)
        if not self.own_key:
            return said
        return (
            replace(said, digest=self.key)
            if self.key
            else replace(said, key=self.given)
        )

    @property
    def elsewhere(self) -> LockHeader:
        """The same where the task has another namespace: its locks are others there."""
        own_key = self.own_key and self.key is None
        given = self.given if own_key else None
        return LockHeader(
            self.id, self.message, own_key=own_key, given=given, unique=self.unique
        )

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> LockHeader | None:
        """Read what came with a message; None if nothing did, or not for this one.

        Celery forwards headers to retries, and anybody may write them.

        Arguments:
            message: as for :func:`~unique_task.messages.ours_in`.
        """
        ours = ours_in(message)
        header = ours.get(LOCK_HEADER)
        if header is None:
            return None
        try:
            # A version to come may say more.
            said = {name: header[name] for name in _FIELDS if name in header}
            published = cls(**said)
        except TypeError:  # no mapping, or something is missing
            return None
        same = is_same_id(published.id, message.get("id"))
        return published if same and published._fits(ours.get(HEADER)) else None

    def _fits(self, message: Any) -> bool:
        return (
            self.message == (message or "")
            and (isinstance(self.namespace, str) or self == self.elsewhere)
            and isinstance(self.store, str)
            and (self.lock is None or self.lock in LOCK_TYPES)
            and _has_form(_DIGEST, self.key)
            and _has_form(_TOKEN, self.token)
            and (self.generation is None or isinstance(self.generation, int))
            and isinstance(self.until, (int, float))
        )


_FIELDS = tuple(field.name for field in fields(LockHeader))


def _has_form(form: re.Pattern[str], value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(form.fullmatch(value)))
