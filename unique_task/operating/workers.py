"""Asks all workers questions, for a limited time each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import Celery

from .asking import BrokerAwayError, ask_broker
from .holders import WORKERS, Missing, Waiting

#: Seconds to wait for the workers' answers, as Celery's own ``inspect`` does.
TIMEOUT = 1.0

#: Seconds more for the connection to the broker.
_PATIENCE = 3.0


@dataclass(frozen=True)
class Answers:
    """What the workers answered.

    Attributes:
        replies: pairs of a node and its answer; two workers may share a name.
        missing: why nobody could be asked, or nobody answered; None if one did.
    """

    replies: tuple[tuple[str, Any], ...]
    missing: Missing | None = None

    def of(self, node: str) -> list[Any]:
        """Return the answers of the workers with that name."""
        return [answer for name, answer in self.replies if name == node]


class Workers:
    """The workers of an app, asked one question after another.

    The first one takes the whole time: nobody knows how many answer. Each later one
    ends as soon as that many have answered. Not as many as there are names, as Celery
    does: two workers may have one name. If nobody answers, nobody is asked again.

    Arguments:
        timeout: seconds to wait for answers; 0 to ask nobody. A broker that is away
            costs some seconds more.
    """

    def __init__(self, app: Celery, timeout: float) -> None:
        self._app = app
        self._timeout = timeout
        self._count: int | None = None
        self._nobody: Answers | None = None
        if not timeout:
            self._nobody = Answers((), Missing(WORKERS, "they were not asked"))

    def ask(self, command: str, **arguments: Any) -> Answers:
        """Ask all workers by an inspect command."""
        if self._nobody is not None:
            return self._nobody
        answers = self._ask_in_time(command, arguments)
        self._count = len(answers.replies)
        if answers.missing is not None:
            self._nobody = answers
        return answers

    def _ask_in_time(self, command: str, arguments: Any) -> Answers:
        asked = self._timeout, self._count
        work = partial(_ask, self._app, command, arguments, *asked)
        seconds = self._timeout + _PATIENCE
        try:
            return ask_broker(self._app, work, seconds, "unique_task asks workers")
        except BrokerAwayError as error:
            return Answers((), Missing(WORKERS, str(error)))


def _ask(
    app: Celery,
    command: str,
    arguments: Any,
    timeout: float,
    count: int | None,
    connection: Any,
) -> Answers:
    replies = app.control.broadcast(
        command,
        arguments,
        connection=connection,
        reply=True,
        timeout=timeout,
        limit=count,
    )
    pairs = tuple(pair for reply in replies or () for pair in reply.items())
    nobody = Missing(WORKERS, f"none answered within {timeout:g} s")
    return Answers(pairs, None if pairs else nobody)


def waiting_for(answers: Answers, key: str) -> tuple[Waiting, ...]:
    """Return who waits for `key`, from the answers to ``unique_waiting``."""
    found = [waiting for its_key, waiting in _waiting(answers) if its_key == key]
    return tuple(sorted(found, key=lambda waiting: waiting.since))


def waiting_by_task(answers: Answers) -> Mapping[str, int]:
    """Return how many calls wait, by the task of the oldest call of each key."""
    found: Counter[str] = Counter()
    for _, waiting in _waiting(answers):
        found[waiting.task] += waiting.count
    return found


def _waiting(answers: Answers) -> Iterator[tuple[str, Waiting]]:
    for node, lines in answers.replies:
        # A worker of another version answers with an error.
        for line in lines if isinstance(lines, list) else ():
            count, since = int(line["waiting"]), float(line["since"])
            yield str(line.get("key")), Waiting(node, str(line["task"]), count, since)
