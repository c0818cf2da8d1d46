"""The options of one call: ``apply_async(..., unique=..., unique_key=...)``."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..durations import seconds
from ..exceptions import ConfigurationError
from ..messages.bounds import LONGEST
from ..messages.lock_header import LockHeader
from .limit import check_limit_of_call
from .policy_names import policies_from, policy_from_message, policy_to_message
from .task_options import Options

#: The options of ``@unique`` that a call may override. Messages carry them by these
#: names: a wire format.
ALLOWED = ("expire", "limit", "lock", "on_duplicate", "renew")

#: ``unique="successor"``: a call that runs after the one which holds its key.
SUCCESSOR = "successor"

_NO_KEY = object()


@dataclass(frozen=True)
class CallOptions:
    """The options of one call.

    Attributes:
        enabled: False to send and to run the call without a lock.
        options: options that override those of the task.
        key: the caller's key, as a ``key=`` callable would return it.
        source: the same as a message carries it, see
            :func:`~unique_task.keys.digest.source_of`.
        successor: True for a call that is no duplicate of the holder of its key, but
            starts when that has ended.
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
            ConfigurationError: for an unknown option, or a value that is not allowed.
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
        _check_overrides(unique)
        call_options = cls(True, dict(unique), key)
        call_options.header()  # what cannot travel is an error before a lock is taken
        return call_options

    @property
    def has_key(self) -> bool:
        """True if the caller gave the key."""
        return self.key is not _NO_KEY or self.source is not None

    def __bool__(self) -> bool:
        any_given = self.options is not None or self.has_key or self.successor
        return not self.enabled or any_given

    def override(self, options: Options) -> Options:
        """Return the options of a task, overridden by those of the call."""
        return replace(options, **self.options) if self.options else options

    def header(self) -> Any:
        """Return what the worker has to know; :meth:`of_header` reads it.

        Raises:
            ConfigurationError: for a callable as policy at run.
        """
        if not self.enabled:
            return False
        if not self.options:
            return None
        header = dict(self.options)
        if "expire" in header:
            header["expire"] = seconds("expire", header["expire"])
        if "on_duplicate" in header:
            run = policies_from(header.pop("on_duplicate")).run
            if run is not None:
                header["on_duplicate"] = policy_to_message(run)
        return header

    @classmethod
    def of_header(cls, header: Any) -> CallOptions:
        """Return the options that :meth:`header` wrote.

        Raises:
            ConfigurationError: if this version does not know them.
        """
        if header is None or header is False:
            return cls(header is None)
        if not isinstance(header, Mapping) or not header.keys() <= set(ALLOWED):
            raise ConfigurationError(
                f"a message asks for unique={reprlib.repr(header)}, which this version "
                "of unique_task does not know"
            )
        options = dict(header)
        if "expire" in options:
            options["expire"] = min(LONGEST, seconds("expire", options["expire"]))
        if "on_duplicate" in options:
            run = policy_from_message(options["on_duplicate"])
            options["on_duplicate"] = {"run": run}
        return cls(True, options)


#: The options of a call that has none.
NO_CALL_OPTIONS = CallOptions()


def call_options_in(published: LockHeader) -> CallOptions:
    """Return the options of a call that its message carries.

    Raises:
        ConfigurationError: if this version does not know them.
    """
    options = CallOptions.of_header(published.unique)
    if published.follows:
        options = replace(options, successor=True)
    if not published.own_key:
        return options
    if published.source is not None:
        return replace(options, source=published.source)
    # An older version wrote the digest alone, which a worker cannot check.
    return options if published.key else replace(options, key=published.given)


def _check_overrides(unique: Any) -> None:
    """Raise ConfigurationError if a call may not override options with `unique`."""
    if not isinstance(unique, Mapping) or not unique.keys() <= set(ALLOWED):
        raise ConfigurationError(
            f"unique={unique!r}: allowed for one call are True, False, "
            f"{SUCCESSOR!r}, and a dict of {', '.join(ALLOWED)}"
        )
    check_limit_of_call(unique.get("limit"))
    Options(**unique)
    if seconds("expire", unique.get("expire", 1)) > LONGEST:
        raise ConfigurationError(
            f"unique={unique!r}: a call may ask for an expire of {LONGEST:.0f} "
            "seconds at most; give the task itself a longer one"
        )
