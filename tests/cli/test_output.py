"""What comes from outside cannot play tricks with a terminal."""

import json
import math

import pytest

from unique_task.cli.output import (
    Failed,
    echo,
    echo_fields,
    echo_json,
    echo_table,
)

pytestmark = pytest.mark.any_celery

#: Clears the screen; ends the line; turns the direction; a lone surrogate; a bell.
HOSTILE = "a\x1b[2Jb\r\nc\u202ed\udcffe\x07f\x9b31m"


def test_nothing_that_is_shown_controls_the_terminal(capsys):
    echo(HOSTILE)
    echo_fields([("task", HOSTILE)])
    echo_table(["TASK"], [[HOSTILE]])
    echo_json({"task": HOSTILE})
    out = capsys.readouterr().out

    lines = out.split("\n")
    assert len(lines) == 6
    assert all(line.isprintable() for line in lines)
    assert json.loads(lines[4]) == {"task": HOSTILE}


def test_what_json_does_not_know_is_left_to_no_reader(capsys):
    hostile = [math.inf, {"of": (math.nan, 1.5)}, {(1, 2): "pair", 3: None, True: 0}]

    echo_json({"value": hostile, "object": {1, 1}})

    out = capsys.readouterr().out
    read = json.loads(out, parse_constant=pytest.fail)
    assert read == {
        "value": [None, {"of": [None, 1.5]}, {"(1, 2)": "pair", "3": None, "true": 0}],
        "object": "{1}",
    }


def test_an_error_is_one_line_that_a_terminal_may_show():
    assert Failed(HOSTILE).message.isprintable()


def test_columns_are_as_wide_as_their_widest_cell(capsys):
    echo_table(["A", "B"], [["long cell", 1], ["b", "second"]])

    assert capsys.readouterr().out == "A          B\nlong cell  1\nb          second\n"
