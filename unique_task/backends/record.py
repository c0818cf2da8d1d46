"""The record that a store keeps of a lock, and its text.

The texts of records and tokens are a wire format: stores keep them, messages carry
tokens, and processes of two versions read each other's. Add words only at the end of a
record; any other change needs a new :data:`VERSION`. The fields may get new names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from ..exceptions import LockRecordError

#: First word of every record. A version that does not know it leaves the lock alone.
VERSION = "1"

#: First word of what stands in place of the record while several hold the lock: a
#: version of its own, so that an older release leaves the lock alone.
ANCHOR = "2"

# Last word of a record whose attempt ends with its process. Never in the record of a
# replaceable message, where scripts read `first` at the end. Part of the wire format,
# as the states are.
_FINAL = "final"

#: State of a lock that an operator holds.
HELD = "held"

# Words of a hold begin with one of these: who, and why. So none is a number, which
# would be read as `first`, or equals `final`. Part of the wire format.
_BY, _REASON = "by:", "why:"

# Characters that stand unquoted in a field: all but blanks and control characters.
_PLAIN = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"

# Any token, and its greatest length without the owner.
_NO_BLANKS = re.compile("[!-~]+")
_LONGEST = 100


@dataclass
class Token:
    """Names one attempt of one task; only the token of a lock can renew or release it.

    Attributes:
        owner: id of the task.
        retries: of the task so far.
        nesting: number of times that the task has replaced itself (``self.replace()``
            keeps the id).
        message: nonce of the message; see :mod:`unique_task.messages.stamp`.
        nonce: tells two deliveries of one message apart.
    """

    # Written as owner/retries/nesting/message/nonce. Wire format: see the module.

    owner: str
    retries: int
    nesting: int
    message: str
    nonce: str

    @staticmethod
    def of_attempt(
        owner: str, retries: int = 0, nesting: int = 0, message: str = ""
    ) -> str:
        """Return a fresh token, as text, for an attempt of the task `owner`."""
        # Celery's own ids, by far the most, have none but plain characters.
        plain = owner.isascii() and owner.isprintable()
        if not plain or " " in owner or "%" in owner:
            owner = quote(owner, safe=_PLAIN)
        return f"{owner}/{retries}/{nesting}/{message}/{os.urandom(6).hex()}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read what :meth:`of_attempt` wrote."""
        owner, retries, nesting, message, nonce = text.rsplit("/", 4)
        return cls(unquote(owner), int(retries), int(nesting), message, nonce)

    @classmethod
    def belongs_to(cls, text: Any, owner: str) -> bool:
        """Tell whether `text` is a token of `owner`; `text` may be anything."""
        if not isinstance(text, str) or len(text) > _LONGEST + 3 * len(owner):
            return False
        try:
            token = cls.parse(text)
        except ValueError:
            return False
        return token.owner == owner and _NO_BLANKS.fullmatch(text) is not None


def attempt_of(token: str) -> str:
    """Return the part of a token that all deliveries of its message share."""
    return token.rpartition("/")[0]


@dataclass
class Record:
    """The holder of a lock.

    Attributes:
        token: of the attempt, as text; see :class:`Token`.
        task: name of the task.
        worker: node that runs the task.
        state: ``pending``: its message is on its way; ``running``; ``called``: it runs
            in place, and Celery stores no result of it; ``held``: an operator has it,
            no task.
        process: that runs the task; see :mod:`unique_task.leases.process`; empty if
            other processes could have the same name.
        fence: see :class:`~unique_task.backends.steps.Acquired`; None until taken.
        first: fence of the first message in its chain of replacements; its own fence if
            it replaced none. None if no other message can take its place.
        final: whether the attempt ends with its process, as its message does not come
            again. False in a record of an older version, which does not tell.
        by: who holds it as an operator.
        reason: that one's reason.
    """

    # Written as version, fence, token, state, worker, task, process, [final], [by:...],
    # [why:...], [first]. Wire format: see the module.

    token: str
    task: str = ""
    worker: str = ""
    state: str = "running"
    process: str = ""
    fence: int | None = None
    first: int | None = None
    final: bool = False
    by: str = ""
    reason: str = ""

    @property
    def owner(self) -> str:
        """Id of the task that holds the lock."""
        return unquote(self.token.rsplit("/", 4)[0])

    @property
    def has_result(self) -> bool:
        """False if no result of the holder is ever stored."""
        return self.state not in ("called", HELD)

    def has_value_for(self, task: str) -> bool:
        """Tell whether calls of a task can be given what the holder returns.

        Tasks that share a namespace cannot use each other's values.
        """
        return self.task == task and self.state != HELD

    @property
    def hold(self) -> str | None:
        """What a hold is called: ``held by ann: migration``; None if it is none."""
        return hold_text(self.by, self.reason) if self.state == HELD else None

    @property
    def refusal(self) -> str:
        """Why a call does not run beside the holder, for people."""
        return self.hold or f"duplicate of {self.owner}"

    @property
    def since(self) -> float | None:
        """When the lock was taken, in seconds since 1970 by the store's clock."""
        return None if self.fence is None else self.fence / 1e6

    @property
    def tail(self) -> str:
        """The words of the text between the fence and `first`."""
        run = _words(self.state, self.worker, self.task, self.process)
        if self.state == HELD:
            words = f"{_word(_BY, self.by)} {_word(_REASON, self.reason)}"
            return f"{self.token} {run} {words}"
        return f"{self.token} {run} {_FINAL}" if self.final else f"{self.token} {run}"

    def text(self, fence: int) -> str:
        """Return the line that a store keeps, for each holder of a lock one."""
        first = "" if self.first is None else f" {self.first}"
        return f"{VERSION} {fence} {self.tail}{first}"

    @classmethod
    def parse(cls, text: str) -> Record:
        """Read what :meth:`text` wrote.

        Raises:
            LockRecordError: if this version does not know the format.
        """
        try:
            # A later release may append words: the holder is known all the same.
            version, fence, token, *rest = text.split(" ")
            state, worker, task, process, *more = rest
            Token.parse(token)
            if version != VERSION:
                raise ValueError(f"version {version}")
            first = next((int(word) for word in more if word.isdigit()), None)
            record = cls(
                token,
                unquote(task),
                unquote(worker),
                state,
                process,
                int(fence),
                first,
                _FINAL in more,
            )
            if state == HELD:
                record.by, record.reason = _after(_BY, more), _after(_REASON, more)
            return record
        except ValueError as error:
            raise LockRecordError(
                f"the lock's record {text[:40]!r} has a format that this version of "
                f"unique_task (record version {VERSION}) cannot read; the lock is left "
                "alone: update unique_task here, or wait for the lock to end"
            ) from error


# They come again and again: a process runs the same tasks.
@lru_cache(maxsize=1024)
def hold_text(by: str, reason: str) -> str:
    """Return what people call a hold, wherever a call or an operator meets it."""
    return f"held by {by}: {reason}"


def _words(state: str, worker: str, task: str, process: str) -> str:
    worker, task = quote(worker, safe=_PLAIN), quote(task, safe=_PLAIN)
    return f"{state} {worker} {task} {process}"


def _word(name: str, text: str) -> str:
    return name + quote(text, safe=_PLAIN)


def _after(name: str, words: list[str]) -> str:
    found = (word for word in words if word.startswith(name))
    return unquote(next(found, "").removeprefix(name))
