"""The header with the lock that the publisher reserved for a message."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .stamp import LOCK_HEADER, MESSAGE_HEADER, is_same_id, our_headers

_DIGEST = re.compile("[0-9a-f]{32}")
# One step for each character: 600 slashes must not keep a worker busy for minutes.
_TOKEN = re.compile("[!-~]+")
# Ids that a user chose make the longest tokens.
_LONGEST_TOKEN = 4096
_LONGEST_NAME = 255
#: A fence is a number of 64 bits; the last second that counts is in the year 9999.
_LAST_FENCE = 2**63
_LAST_SECOND = 253402300800


@dataclass
class LockHeader:
    """The lock of a message, as a header carries it.

    Attributes:
        id: of the task.
        message: id of the message; each message has its own.
        namespace: of the lock; None if the publisher does not know the task.
        key: of the call, as computed where it was published; None if it was not.
        own_key: whether the caller gave the key, so that it does not follow from the
            arguments.
        source: of the key, if the caller or a user's function made it. By the source a
            worker sees whether the key belongs to the namespace of the task.
        given: the caller's key as it is, where the namespace is not known.
        token: that reserved the lock; None if nothing was reserved.
        generation: fence of the reservation, if another message may take its place.
        until: when the reservation ends if the message does not start, in seconds since
            1970.
        store: fingerprint of the store it was reserved in.
        lock: its lock type; the worker may have another one for the task.
        unique: the guard's options for this call, see
            :meth:`~unique_task.options.call_options.CallOptions.header`.
        follows: for a successor, id of the task that has to end before it starts; its
            own id if the publisher does not know that.
        shadow: of a message published in shadow mode, token, generation, until, store
            and lock of what was reserved there; or only that it is a duplicate there.
    """

    # A wire format: these names travel in LOCK_HEADER between versions.
    id: str
    message: str
    namespace: str | None = None
    key: str | None = None
    own_key: bool = False
    given: Any = None
    source: str | None = None
    token: str | None = None
    generation: int | None = None
    until: float = 0
    store: str = ""
    lock: str | None = None
    unique: Any = None
    follows: str | None = None
    shadow: Any = None

    def header(self) -> dict[str, Any]:
        """Return it as a header of the message, without empty fields."""
        header = {name: value for name, value in vars(self).items() if value}
        if self.unique is False:
            header["unique"] = False
        # An eager call has no message: the text is empty.
        return {**header, "message": self.message}

    @property
    def elsewhere(self) -> LockHeader:
        """The header as a worker reads it where the task has another namespace."""
        own_key = self.own_key and (self.key is None or self.source is not None)
        return LockHeader(
            self.id,
            self.message,
            own_key=own_key,
            given=self.given if own_key else None,
            source=self.source if own_key else None,
            unique=self.unique,
            follows=self.follows,
        )

    @property
    def in_shadow(self) -> LockHeader:
        """The header as a worker in shadow mode reads it.

        A worker that enforces locks, of this version or an older one, does not see what
        was reserved in shadow mode, and the other way round.
        """
        reserved = self.shadow or {}
        return replace(
            self,
            token=reserved.get("token"),
            generation=reserved.get("generation"),
            until=reserved.get("until", 0),
            store=reserved.get("store", ""),
            lock=reserved.get("lock"),
        )

    @property
    def is_duplicate_in_shadow(self) -> bool:
        """True if the publisher has counted the call as a duplicate already."""
        return bool(self.shadow and self.shadow.get("duplicate"))

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> LockHeader | None:
        """Read the header of a message; None without one, or with that of another.

        Celery forwards headers to retries, and any publisher may write them.

        Arguments:
            message: as for :func:`~unique_task.messages.stamp.our_headers`.
        """
        return cls.among(our_headers(message), message.get("id"))

    @classmethod
    def among(cls, ours: Mapping[str, Any], task_id: Any) -> LockHeader | None:
        """Read the header among our headers of a message; see :meth:`of`."""
        header = ours.get(LOCK_HEADER)
        if header is None:
            return None
        try:
            # A later version may send more fields.
            known = {name: header[name] for name in _FIELDS if name in header}
            published = cls(**known)
        except TypeError:  # no mapping, or something is missing
            return None
        same = is_same_id(published.id, task_id)
        return published if same and published._fits(ours.get(MESSAGE_HEADER)) else None

    def _fits(self, message: Any) -> bool:
        return (
            self.message == (message or "")
            and (isinstance(self.namespace, str) or self == self.elsewhere)
            and isinstance(self.store, str)
            and (self.lock is None or _is_name(self.lock))
            and _has_form(_DIGEST, self.key)
            and _is_token(self.token)
            and _is_source(self.source)
            and (self.generation is None or _is_within(self.generation, _LAST_FENCE))
            and isinstance(self.generation, (int, type(None)))
            and _is_within(self.until, _LAST_SECOND)
            and _is_id(self.follows)
            and (self.shadow is None or self._fits_in_shadow(message))
        )

    def _fits_in_shadow(self, message: Any) -> bool:
        known = isinstance(self.shadow, Mapping)
        return known and replace(self.in_shadow, shadow=None)._fits(message)


_FIELDS = tuple(field.name for field in fields(LockHeader))


def _has_form(form: re.Pattern[str], value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(form.fullmatch(value)))


def _is_token(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, str) or len(value) > _LONGEST_TOKEN:
        return False
    return value.count("/") >= 4 and _has_form(_TOKEN, value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


def _is_source(value: Any) -> bool:
    try:
        return value is None or base64.b64decode(value, validate=True) is not None
    except (TypeError, ValueError):
        return False


def _is_within(value: Any, end: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value < end


def _is_id(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= _LONGEST_TOKEN)
