"""What one call says of its guard: ``apply_async(..., unique=..., unique_key=...)``."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..durations import seconds
from ..exceptions import ConfigurationError
from ..messages.bounds import LONGEST
from ..messages.lock_header import LockHeader
from .policy_names import policies_from, read, written
from .task_options import Options

#: The options of ``@unique`` that a call may give otherwise.
ALLOWED = ("expire", "lock", "on_duplicate", "renew")

#: ``unique="successor"``: a call that runs after the one which holds its key.
SUCCESSOR = "successor"

_NO_KEY = object()


@dataclass(frozen=True)
class CallOptions:
    """What one call says of its guard.

    Attributes:
        enabled: False to send and to run it without a lock.
        options: in place of those of the task.
        key: what makes it equal to others, as the value of a ``key=`` callable would.
        source: the same as a message carried it, see
            :func:`~unique_task.keys.digest.source_of`.
        successor: True for a call that is no duplicate of who holds its key, but starts
            when that has ended.
    """

    enabled: bool = True
    options: Mapping[str, Any] | None = None
    key: Any = _NO_KEY
    source: str | None = None
    successor: bool = False

    @classmethod
    def pop_from(cls, options: dict[str, Any]) -> CallOptions:
        """Take ``unique`` and ``unique_key`` out of the options of ``apply_async``.

        Raises:
            ConfigurationError: for an option that there is not, or that makes no sense.
        """
        if "unique" not in options and "unique_key" not in options:
            return NO_CALL_OPTIONS
        unique, key = options.pop("unique", None), options.pop("unique_key", _NO_KEY)
        if key is None:
            raise ConfigurationError(
                "unique_key=None would be one key for many calls: give a string or "
                "plain data, or leave it out"
            )
        if unique == SUCCESSOR:
            return cls(True, None, key, successor=True)
        if unique is None or isinstance(unique, bool):
            return cls(unique is not False, None, key)
        if not isinstance(unique, Mapping) or not unique.keys() <= set(ALLOWED):
            raise ConfigurationError(
                f"unique={unique!r}: allowed for one call are True, False, "
                f"{SUCCESSOR!r}, and a dict of {', '.join(ALLOWED)}"
            )
        Options(**unique)
        if seconds("expire", unique.get("expire", 1)) > LONGEST:
            raise ConfigurationError(
                f"unique={unique!r}: a call may ask for an expire of {LONGEST:.0f} "
                "seconds at most; give the task itself a longer one"
            )
        said = cls(True, dict(unique), key)
        said.header()  # what cannot travel is an error before a lock is taken
        return said

    @property
    def has_key(self) -> bool:
        """True if the call has a key of its own."""
        return self.key is not _NO_KEY or self.source is not None

    def __bool__(self) -> bool:
        said = self.options is not None or self.has_key or self.successor
        return not self.enabled or said

    def over(self, options: Options) -> Options:
        """Return the options of a task, with what the call says in their place."""
        return replace(options, **self.options) if self.options else options

    def header(self) -> Any:
        """Return what the worker has to know; :meth:`of_header` is the way back.

        Raises:
            ConfigurationError: for a callable as policy at run.
        """
        if not self.enabled:
            return False
        if not self.options:
            return None
        said = dict(self.options)
        if "expire" in said:
            said["expire"] = seconds("expire", said["expire"])
        if "on_duplicate" in said:
            run = policies_from(said.pop("on_duplicate")).run
            if run is not None:
                said["on_duplicate"] = written(run)
        return said

    @classmethod
    def of_header(cls, header: Any) -> CallOptions:
        """Return what a message says of the guard of its call.

        Raises:
            ConfigurationError: if this version does not know what it says.
        """
        if header is None or header is False:
            return cls(header is None)
        if not isinstance(header, Mapping) or not header.keys() <= set(ALLOWED):
            raise ConfigurationError(
                f"a message asks for unique={reprlib.repr(header)}, which this version "
                "of unique_task does not know"
            )
        said = dict(header)
        if "expire" in said:
            said["expire"] = min(LONGEST, seconds("expire", said["expire"]))
        if "on_duplicate" in said:
            said["on_duplicate"] = {"run": read(said["on_duplicate"])}
        return cls(True, said)


#: For a call that says nothing of its guard.
NO_CALL_OPTIONS = CallOptions()


def call_options_in(published: LockHeader) -> CallOptions:
    """Return what the message of a call says of its guard.

    Raises:
        ConfigurationError: if this version does not know what it says.
    """
    said = CallOptions.of_header(published.unique)
    said = replace(said, successor=True) if published.follows else said
    if not published.own_key:
        return said
    if published.source is not None:
        return replace(said, source=published.source)
    # Of an older version: the key alone, which nobody can check here.
    return said if published.key else replace(said, key=published.given)
