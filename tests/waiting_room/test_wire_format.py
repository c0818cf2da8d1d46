"""What workers tell each other is read and written alike by two versions.

Do not change a text: workers of two versions talk while a deployment rolls on.
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from unique_task.waiting import commands
from unique_task.waiting.line import Neighbour
from unique_task.waiting.neighbours import as_command
from unique_task.waiting.next_steps import Asks, Frees, Next

ASKS = Asks("here", "5f2b", "id-1", Neighbour(1795931840.5, True))
ASKS_TEXT = """{
    "key": "5f2b", "holder": "id-1", "worker": "there", "since": 1795931840.5,
    "shared": true
}"""

OTHERS = {"third": Neighbour(1795931840.5, True), "fourth": Neighbour(1795931841.0)}
FREES = Frees("here", "5f2b", OTHERS, True, passed=("there",))
FREES_TEXT = """{
    "key": "5f2b",
    "neighbours": [["third", 1795931840.5, true], ["fourth", 1795931841.0, false]],
    "succeeded": true, "holder": null, "passed": ["there"]
}"""

NOT_HERE = Frees("here", "5f2b", {}, holder="id-1")
NOT_HERE_TEXT = """{
    "key": "5f2b", "neighbours": [], "succeeded": false, "holder": "id-1",
    "passed": []
}"""

TEXTS = [
    (ASKS, "unique_task_asks", ASKS_TEXT),
    (FREES, "unique_task_frees", FREES_TEXT),
    (NOT_HERE, "unique_task_frees", NOT_HERE_TEXT),
]


class Hearing:
    """In place of a worker and its waiting room: notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def do(self, decide: Any) -> None:
        decide(self)

    def asked(self, asks: Asks, worker: str) -> Next:
        self.heard += [asks, worker]
        return Next()

    def freed(self, frees: Frees) -> Next:
        self.heard.append(frees)
        return Next()


@pytest.fixture
def hear(monkeypatch):
    """Call it to have a worker hear a command; it returns what that tells its room."""
    room = Hearing()
    monkeypatch.setattr(commands, "step_of", lambda _: room)
    handlers = {
        "unique_task_asks": commands.asks,
        "unique_task_frees": commands.frees,
    }

    def hear(command: str, arguments: Any) -> list[Any]:
        handlers[command](SimpleNamespace(hostname="here"), **arguments)
        return room.heard

    return hear


@pytest.mark.parametrize(("message", "command", "text"), TEXTS)
def test_a_message_is_written_as_ever(message, command, text):
    name, arguments = as_command("there", message)

    assert name == command
    assert json.loads(json.dumps(arguments)) == json.loads(text)


@pytest.mark.parametrize(("message", "command", "text"), TEXTS)
def test_a_message_is_read_as_ever(hear, message, command, text):
    assert hear(command, json.loads(text))[0] == message


@pytest.mark.parametrize(("message", "command", "text"), TEXTS)
def test_what_a_later_version_adds_is_ignored(hear, message, command, text):
    assert hear(command, {**json.loads(text), "more": 1})[0] == message


def test_who_asks_is_named(hear):
    assert hear("unique_task_asks", json.loads(ASKS_TEXT))[1] == "there"
