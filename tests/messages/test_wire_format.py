"""Headers as version 0.1 wrote them: they are read, and written alike.

Producers and workers of two versions share a broker while one replaces the other.
"""

from dataclasses import asdict
from typing import Any

import pytest
from celery import Celery, signals
from celery.app.task import Context

from unique_task import MemoryBackend, replace, unique
from unique_task.messages.lock_header import LockHeader
from unique_task.messages.stamp import LOCK_HEADER, MESSAGE_HEADER, OURS, WAIT_HEADER
from unique_task.messages.waited import Waited

MESSAGE = "5461c2d6-1795931831"
CHARGE: dict[str, Any] = {"message": MESSAGE, "namespace": "shop.charge"}
RESERVED: dict[str, Any] = {
    **CHARGE,
    "key": "47e67ff60914a35b99aebb8937b4724a",
    "token": "id-1/0/0/5461c2d6/f1fcbae1495b",
    "until": 1795935431.4830453,
    "store": "2baa6e39",
    "lock": "until_executed",
}

#: Task, options of ``apply_async``, and the header that version 0.1 sent with them.
SENT_BY_0_1: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "reserved": ("shop.charge", {}, RESERVED),
    "replaceable": (
        "shop.index",
        {},
        {
            **RESERVED,
            "namespace": "shop.index",
            "key": "119207772edc3bc661a2caa831d00c0c",
            "generation": 1795931831493530,
            "lock": "until_executing",
        },
    ),
    "own key": (
        "shop.charge",
        {"unique_key": "k"},
        {
            **RESERVED,
            "key": "baacf762a88cf84c93a9003f52f0c6f9",
            "own_key": True,
            "source": "czE7aw==",
        },
    ),
    "successor": (
        "shop.charge",
        {"unique": "successor"},
        {**RESERVED, "follows": "id-1"},
    ),
    "without a guard": ("shop.charge", {"unique": False}, {**CHARGE, "unique": False}),
    "with options": (
        "shop.charge",
        {"unique": {"expire": 60, "on_duplicate": "retry", "lock": "until_executed"}},
        {
            **RESERVED,
            "unique": {
                "expire": 60.0,
                "lock": "until_executed",
                "on_duplicate": "retry",
            },
        },
    ),
    "own key, by name": (
        "other.task",
        {"unique_key": "k", "unique": {"expire": 60}},
        {
            "message": MESSAGE,
            "own_key": True,
            "given": "k",
            "unique": {"expire": 60.0},
        },
    ),
    "successor, by name": (
        "other.task",
        {"unique": "successor"},
        {"message": MESSAGE, "follows": "id-1"},
    ),
}

FIRST = "id-1/0/0/5461c2d6/f1fcbae1495b"
WAITED: dict[str, Any] = {
    "sent": "00aa11bb-1795931900",
    "times": 3,
    "since": 1795931840.5,
    "message": MESSAGE,
    "admitted": True,
    "unanswered": [FIRST],
}

#: What differs from message to message, or from store to store.
_OF_ONE_MESSAGE = ("message", "token", "until", "generation", "store")


@pytest.fixture
def app() -> Any:
    """An app with the tasks that sent the headers."""
    app = Celery(
        "shop",
        broker="memory://",
        backend="cache+memory://",
        set_as_current=False,
    )
    app.conf.unique_backend = MemoryBackend()

    @app.task(name="shop.charge")
    @unique(lock="until_executed")
    def charge(order_id: int) -> None: ...

    @app.task(name="shop.index")
    @unique(lock="until_executing", on_duplicate=replace(countdown=5))
    def index(order_id: int) -> None: ...

    return app


def test_the_names_of_the_headers():
    assert (MESSAGE_HEADER, LOCK_HEADER, WAIT_HEADER) == (
        "unique_task_message",
        "unique_task_lock",
        "unique_task_wait",
    )
    assert OURS == (MESSAGE_HEADER, LOCK_HEADER, WAIT_HEADER)


@pytest.mark.parametrize("case", SENT_BY_0_1)
def test_a_lock_header_is_read_and_written_unchanged(case):
    lock = {"id": "id-1", **SENT_BY_0_1[case][2]}
    message = {"id": "id-1", MESSAGE_HEADER: MESSAGE, LOCK_HEADER: lock}

    read = LockHeader.of(message)

    assert read is not None
    assert read == LockHeader(**lock)
    assert read.header() == lock


@pytest.mark.parametrize("case", SENT_BY_0_1)
def test_the_same_call_sends_the_same_lock_header(app, case):
    name, options, lock = SENT_BY_0_1[case]
    sent: list[dict[str, Any]] = []

    def note(headers: dict[str, Any], **_: Any) -> None:
        sent.append(headers[LOCK_HEADER])

    signals.after_task_publish.connect(note)
    try:
        if "follows" in lock and "namespace" in lock:  # it follows a call
            app.send_task(name, (1,), task_id="id-0")
        app.send_task(name, (1,), task_id="id-1", **options)
    finally:
        signals.after_task_publish.disconnect(note)

    assert _constant(sent[-1]) == _constant({"id": "id-1", **lock})
    assert sent[-1].keys() == {"id"} | lock.keys()


def test_a_wait_header_is_read_and_written_unchanged():
    headers = {MESSAGE_HEADER: WAITED["sent"], WAIT_HEADER: WAITED}

    read = Waited.of(Context({"id": "id-1", "headers": headers}))

    assert asdict(read) == {
        "times": 3,
        "since": 1795931840.5,
        "message": MESSAGE,
        "admitted": True,
        "unanswered": (FIRST,),
        "waits_for": None,
    }
    # JSON makes a list of a tuple.
    assert {**read.header(WAITED["sent"]), "unanswered": [FIRST]} == WAITED


def _constant(lock: dict[str, Any]) -> dict[str, Any]:
    return {name: lock[name] for name in lock if name not in _OF_ONE_MESSAGE}
