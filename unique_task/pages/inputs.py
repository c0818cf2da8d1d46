"""What people ask for in a query or a form, read with errors that they understand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..exceptions import UniqueError
from ..operating import Wanted
from .words import STATES, VERDICTS, shown

#: The fields of a query or a form, each with all its values.
Fields = Mapping[str, Sequence[str]]

_UNITS = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|)")

#: Letters of an input that an error repeats.
_REPEATED = 80


class InputError(UniqueError, ValueError):
    """A field has a value that is not allowed; the message names both."""


@dataclass(frozen=True)
class Filters:
    """Which locks to show, as a person has written it; empty for all.

    Attributes:
        task, worker: patterns of names, as in a shell.
        states, verdicts: of holders.
        older_than: a duration: ``90``, ``5 min``.
        number: of the page, from 1 on.
    """

    task: str = ""
    worker: str = ""
    states: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    older_than: str = ""
    number: str = ""

    @classmethod
    def of(cls, fields: Fields) -> Filters:
        """Read ``task``, ``worker``, ``state``, ``verdict``, ``older_than``, ``page``.

        Nothing is checked yet.
        """
        return cls(
            *(text_of(fields, "task"), text_of(fields, "worker")),
            tuple(filter(None, fields.get("state", ()))),
            tuple(filter(None, fields.get("verdict", ()))),
            *(text_of(fields, "older_than"), text_of(fields, "page")),
        )

    def query(self, page: int) -> dict[str, str | list[str]]:
        """Return the fields that lead to another page."""
        fields: dict[str, Any] = {
            "task": self.task,
            "worker": self.worker,
            "state": list(self.states),
            "verdict": list(self.verdicts),
            "older_than": self.older_than,
            "page": str(page) if page > 1 else "",
        }
        return {name: value for name, value in fields.items() if value}

    @property
    def wanted(self) -> Wanted:
        """Which locks these are.

        Raises:
            InputError: if there is no such state or verdict, or no such duration.
        """
        return Wanted(
            task=self.task or "*",
            worker=self.worker or "*",
            states=_chosen("state", self.states, STATES),
            verdicts=_chosen("verdict", self.verdicts, VERDICTS),
            older_than=seconds_of("older than", self.older_than or "0"),
        )

    @property
    def page(self) -> int:
        """Which page this is, from 1 on.

        Raises:
            InputError: if that is no such number.
        """
        number = self.number or "1"
        # Python reads no longer number without an error of its own.
        if re.fullmatch("[1-9][0-9]{0,8}", number):
            return int(number)
        raise InputError(f"page: {repeated(number)} is no number from 1 on")


@dataclass(frozen=True)
class Asked:
    """A call that a person asks about, as it is written: or a key, or the id of a task.

    Attributes:
        wanted: name of the task; or a key, or an id.
        args: a JSON array; empty for none.
        kwargs: a JSON object; empty for none.
    """

    wanted: str
    args: str = ""
    kwargs: str = ""

    @classmethod
    def of(cls, fields: Fields) -> Asked:
        """Read ``wanted``, ``args`` and ``kwargs``; nothing is checked yet."""
        names = ("wanted", "args", "kwargs")
        return cls(*(text_of(fields, name) for name in names))

    @property
    def arguments(self) -> tuple[list[Any] | None, dict[str, Any] | None]:
        """The arguments of the call; None for what is not given.

        Raises:
            InputError: if they are no JSON of that type.
        """
        args = _json("arguments", self.args, list, '[7, "a"]')
        return args, _json("keyword arguments", self.kwargs, dict, '{"item": 7}')


def text_of(fields: Fields, name: str) -> str:
    """Return the last value of a field, without blanks around it; empty if none."""
    return (list(fields.get(name, ())) or [""])[-1].strip()


def seconds_of(name: str, text: str) -> float:
    """Return a duration that a person has written: ``90``, ``5 min``, ``2 h``.

    Raises:
        InputError: if it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found:
        return float(found[1]) * _UNITS[found[2]]
    raise InputError(
        f"{name}: {repeated(text)} is no duration: write seconds, as 90, or 5 min, "
        "2 h, 1 d"
    )


def _chosen(
    name: str, values: tuple[str, ...], known: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise InputError(
                f"{name}: there is no {repeated(value)}; there are {', '.join(known)}"
            )
    return values


def _json(name: str, text: str, kind: type, example: str) -> Any:
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is too deep"
        raise InputError(
            f"{name}: {repeated(text)} is no JSON, such as {example}: {reason}"
        ) from error
    if isinstance(value, kind):
        return value
    what = "array" if kind is list else "object"
    raise InputError(f"{name}: {repeated(text)} is no JSON {what}, such as {example}")


def repeated(text: str) -> str:
    """Return what was written, as an error repeats it."""
    text = shown(text)
    return f"{text[:_REPEATED]}..." if len(text) > _REPEATED else text or "nothing"
