"""What the command says of a hold."""

import getpass
import json
import socket
from typing import Any

import pytest

from tests.operating.test_explain import hold as run_under
from tests.published_calls import key_of, task_of
from unique_task import unique
from unique_task.cli.holding import hold_key
from unique_task.cli.output import Away, Failed
from unique_task.cli.releasing import release_locks

pytest_plugins = "tests.inprocess_fixtures"

ASKED: dict[str, Any] = {"seconds": 600, "reason": "migration", "timeout": 0}


def test_it_says_until_when_and_how_to_end_it(app, capsys):
    task = task_of(app, unique(limit=2))

    hold_key(app, "work", False, "ann", **ASKED)

    lines = capsys.readouterr().out.splitlines()
    fields = {name: text.strip() for name, _, text in (x.partition(":") for x in lines)}
    assert (fields["key"], fields["held by"]) == (key_of(task), "ann: migration")
    assert fields["until"].endswith(", for 10 min")
    assert fields["places"] == "all 2"
    command = f"celery -A proj unique release {key_of(task)} --force"
    assert fields["to end it"] == command


def test_without_a_name_it_is_the_user_of_this_machine(app, capsys):
    task_of(app)

    hold_key(app, "work", True, None, **ASKED)

    held = json.loads(capsys.readouterr().out)
    assert held["by"] == f"{getpass.getuser()}@{socket.gethostname()}"


def test_a_key_that_others_hold_is_a_failure(app, capsys):
    task = task_of(app)
    run_under(task, owner="running")

    with pytest.raises(Failed, match="not held: running holds") as failed:
        hold_key(app, "work", False, "ann", **ASKED)

    assert failed.value.exit_code == 1
    assert "running is unknown" in capsys.readouterr().out


def release_in_bulk(app: Any, capsys: Any, **options: Any) -> str:
    """The last word of what the command prints."""
    with pytest.raises(Away, match="each process has locks of its own"):
        release_locks(app, None, None, None, 0, False, True, **options)
    return str(capsys.readouterr().out.split()[-1])


def test_in_bulk_a_hold_is_released_with_an_option_of_its_own_alone(app, capsys):
    task_of(app)
    hold_key(app, "work", True, "ann", **ASKED)
    capsys.readouterr()

    for options in ({"task": "*"}, {"pending": True}, {"dead": True, "held": True}):
        assert release_in_bulk(app, capsys, **options) == "seen"  # none was
    assert release_in_bulk(app, capsys, held=True, task="work") == "released"
