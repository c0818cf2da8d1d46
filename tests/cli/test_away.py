"""What the commands say of a store that does not answer."""

import pytest

from tests.published_calls import task_of
from tests.servers.process import free_port
from unique_task.cli.commands import list_locks
from unique_task.cli.counting import print_counters
from unique_task.cli.output import Away
from unique_task.cli.releasing import release_locks
from unique_task.cli.watching import watch_locks

pytest_plugins = "tests.inprocess_fixtures"

COMMANDS = {
    "ls": lambda app: list_locks(app, 0, False, False),
    "release": lambda app: release_locks(
        app, None, None, None, 0, False, True, task="*"
    ),
    "stats": lambda app: print_counters(app, "*", 60, False),
    "watch": lambda app: watch_locks(app, "*", 1.0, 1),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_is_away_is_not_said_to_hold_nothing(app, capsys, command):
    app.conf.unique_backend = f"redis://127.0.0.1:{free_port()}/0"
    task_of(app)

    with pytest.raises(Away, match="refused"):
        COMMANDS[command](app)

    lines = capsys.readouterr().out.splitlines()
    assert "none was seen" in lines
    assert not any("held" in line or "nothing" in line for line in lines)
