"""Talks to the broker of an app for a limited time, whatever state it is in."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, Queue
from typing import Any, TypeVar

from celery import Celery

from ..threads import start_thread

Answer = TypeVar("Answer")


class BrokerAwayError(Exception):
    """Why a broker could not be asked, for people."""


def ask_broker(
    app: Celery, ask: Callable[[Any], Answer], seconds: float, thread: str
) -> Answer:
    """Return what `ask` returns, which gets a connection to the broker.

    Arguments:
        seconds: to wait for that at most.
        thread: name of the thread that does it.

    Raises:
        BrokerAwayError: if the broker does not answer, or `ask` fails.
    """
    answers: Queue[Answer | BrokerAwayError] = Queue()
    # In a thread: a broker that accepts a connection and says no more has no limit.
    start_thread(lambda: answers.put(_answer_or_error(app, ask)), thread)
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise BrokerAwayError("the broker does not answer") from None
    if isinstance(answer, BrokerAwayError):
        raise answer
    return answer


def _answer_or_error(
    app: Celery, ask: Callable[[Any], Answer]
) -> Answer | BrokerAwayError:
    try:
        with app.connection_for_write() as connection:
            # Without a bound, kombu tries to connect for ever.
            connection.ensure_connection(max_retries=1, interval_start=0)
            return ask(connection)
    except BrokerAwayError as error:
        return error
    except Exception as error:  # of any of kombu's transports
        return BrokerAwayError(f"the broker does not answer: {error}")
