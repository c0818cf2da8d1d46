"""What a store keeps of a lock, and the text it is kept as."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from ..exceptions import LockRecordError

#: First word of every record. A reader that does not know it leaves the lock alone.
VERSION = "1"

# Stands at the end of a record; never in one that another message may replace, whose
# end the scripts read. Part of the format, as the states are.
_FINAL = "final"

# Everything but blanks and control characters may stand in a field as it is.
_PLAIN = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"

# What Celery's own ids look like; they are many, and need no look for odd characters.
_UUID = re.compile("[0-9a-f-]+")

# What any token looks like; and how long it is at most, but for the owner.
_NO_BLANKS = re.compile("[!-~]+")
_LONGEST = 100


@dataclass
class Token:
    """One attempt of one task: only the token that took a lock can renew or free it.

    Attributes:
        owner: id of the task.
        retries: how often it has retried itself.
        nesting: how often it has replaced itself (``self.replace()`` keeps the id).
        message: mark of the message; see :mod:`unique_task.messages.stamp`.
        nonce: tells apart two deliveries of it, which are alike in all else.
    """

    owner: str
    retries: int
    nesting: int
    message: str
    nonce: str

    @classmethod
    def of_attempt(
        cls, owner: str, retries: int = 0, nesting: int = 0, message: str = ""
    ) -> Token:
        """Return a fresh token for an attempt of the task with the id `owner`."""
        return cls(owner, retries, nesting, message, os.urandom(6).hex())

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read what :meth:`__str__` wrote."""
        owner, retries, nesting, message, nonce = text.rsplit("/", 4)
        return cls(unquote(owner), int(retries), int(nesting), message, nonce)

    @classmethod
    def belongs_to(cls, text: Any, owner: str) -> bool:
        """Tell whether `text`, which anybody may have written, is one of `owner`."""
        if not isinstance(text, str) or len(text) > _LONGEST + 3 * len(owner):
            return False
        try:
            token = cls.parse(text)
        except ValueError:
            return False
        return token.owner == owner and _NO_BLANKS.fullmatch(text) is not None

    def __str__(self) -> str:
        owner = self.owner
        if not _UUID.fullmatch(owner):
            owner = quote(owner, safe=_PLAIN)
        return f"{owner}/{self.retries}/{self.nesting}/{self.message}/{self.nonce}"


def attempt_of(token: str) -> str:
    """Return what all deliveries of one message share of their tokens."""
    return token.rpartition("/")[0]


@dataclass
class Record:
    """Who holds a lock.

    Attributes:
        token: of the attempt, as text; see :class:`Token`.
        task: name of the task.
        worker: node that runs it.
        state: ``pending``: its message is on its way; ``running``; ``called``: it runs
            in place, and nobody can ask for its result.
        process: that runs it; see :mod:`unique_task.leases.process`; empty if
            it cannot be told apart from all others.
        fence: see :class:`~unique_task.backends.steps.Acquired`; None until taken.
        first: fence of the first message that it replaced, and of those that this one
            had replaced in turn; its own if it replaced none. None if no other message
            can take its place.
        final: whether the attempt ends with its process: the message that brought it
            does not come again. A record of an older version does not tell, and says
            False.
    """

    token: str
    task: str = ""
    worker: str = ""
    state: str = "running"
    process: str = ""
    fence: int | None = None
    first: int | None = None
    final: bool = False

    @property
    def owner(self) -> str:
        """Id of the task that holds the lock."""
        return Token.parse(self.token).owner

    @property
    def since(self) -> float | None:
        """When the lock was taken, in seconds since 1970 by the store's clock."""
        return None if self.fence is None else self.fence / 1e6

    @property
    def tail(self) -> str:
        """What follows the fence in the text of the record, token first."""
        worker, task = _quoted(self.worker), _quoted(self.task)
        final = f" {_FINAL}" if self.final else ""
        return f"{self.token} {self.state} {worker} {task} {self.process}{final}"

    def text(self, fence: int) -> str:
        """Return the line a store keeps: version, fence, and the :attr:`tail`.

        One line for each holder, so that a key with several of them needs no new form.
        """
        first = "" if self.first is None else f" {self.first}"
        return f"{VERSION} {fence} {self.tail}{first}"

    @classmethod
    def parse(cls, text: str) -> Record:
        """Read what :meth:`text` wrote.

        Raises:
            LockRecordError: if a version wrote it that this one does not know.
        """
        try:
            # What a later release may append is no reason not to know the holder.
            version, fence, token, *rest = text.split(" ")
            state, worker, task, process, *more = rest
            Token.parse(token)
            if version != VERSION:
                raise ValueError(f"version {version}")
            first = next((int(word) for word in more if word.isdigit()), None)
            return cls(
                token,
                unquote(task),
                unquote(worker),
                state,
                process,
                int(fence),
                first,
                _FINAL in more,
            )
        except ValueError as error:
            raise LockRecordError(
                f"the lock's record {text[:40]!r} has a format that this version of "
                f"unique_task (record version {VERSION}) cannot read; the lock is left "
                "alone: update unique_task here, or wait for the lock to end"
            ) from error


# Names of tasks and workers, which come again and again.
@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return quote(text, safe=_PLAIN)
