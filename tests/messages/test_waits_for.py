"""What a message says of the lock that it waits for: any publisher can write it."""

from json import dumps, loads
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unique_task.backends.record import Record
from unique_task.backends.steps import Held
from unique_task.messages.stamp import MESSAGE_HEADER, WAIT_HEADER
from unique_task.messages.waited import Waited
from unique_task.messages.waits_for import WaitsFor

MESSAGE = "5461c2d6-1795931831"
VALID = WaitsFor("key", (("id-1", "one@host"),), 3, True, 20.0, 1795931900.5)

#: A wire format: do not change it, as messages of two versions are in one queue.
TEXT = """{
    "key": "key", "holders": [["id-1", "one@host"]], "limit": 3, "shared": true,
    "patience": 20.0, "until": 1795931900.5
}"""
WRITTEN = loads(TEXT)

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def message(waits_for: Any, sent: Any = MESSAGE, message_id: Any = MESSAGE) -> Any:
    waited = {"sent": sent, "waits_for": waits_for}
    return {MESSAGE_HEADER: message_id, WAIT_HEADER: waited}


def test_what_is_written_is_read():
    waited = Waited(0, 1795931840.5).again(False, None, VALID)
    headers = {MESSAGE_HEADER: MESSAGE, WAIT_HEADER: waited.header(MESSAGE)}

    assert WaitsFor.in_message(headers) == VALID


def test_it_is_read_and_written_as_ever():
    header = Waited(0, 1795931840.5).again(False, None, VALID).header(MESSAGE)

    assert loads(dumps(header["waits_for"])) == WRITTEN
    assert WaitsFor.in_message(message(WRITTEN)) == VALID


def test_what_a_later_version_adds_is_ignored():
    assert WaitsFor.in_message(message({**WRITTEN, "more": 1})) == VALID


def test_a_message_of_a_version_without_it_waits_for_nothing():
    headers = {MESSAGE_HEADER: MESSAGE, WAIT_HEADER: {"sent": MESSAGE, "times": 1}}

    assert WaitsFor.in_message(headers) is None


@pytest.mark.parametrize(
    ("sent", "message_id"), [("other", MESSAGE), (None, MESSAGE), (None, None)]
)
def test_a_header_that_came_with_another_message_does_not_count(sent, message_id):
    assert WaitsFor.in_message(message(WRITTEN, sent, message_id)) is None


@pytest.mark.parametrize("name", WRITTEN)
def test_one_with_a_part_missing_does_not_count(name):
    left = {each: WRITTEN[each] for each in WRITTEN if each != name}

    assert WaitsFor.in_message(message(left)) is None


def test_one_with_a_key_that_is_no_digest_does_not_count():
    assert WaitsFor.in_message(message({**WRITTEN, "key": "k" * 101})) is None


@given(json)
def test_any_wait_header_is_read_without_an_error(header):
    WaitsFor.in_message({MESSAGE_HEADER: MESSAGE, WAIT_HEADER: header})


@given(json, st.sampled_from(sorted(WRITTEN)))
def test_any_part_is_read_within_bounds_or_not_at_all(value, name):
    read = WaitsFor.in_message(message({**WRITTEN, name: value}))

    if read is not None:
        assert read.limit >= 1
        assert read.patience <= 86400
        assert len(read.holders) <= 50


def test_many_holders_are_not_all_read():
    holders = [["id", "node"]] * 1000

    read = WaitsFor.in_message(message({**WRITTEN, "holders": holders}))

    assert read is not None
    assert len(read.holders) == 50


def test_only_holders_that_run_are_named():
    runs = Held(Record("id-1/0/0/a/b", worker="one@host"), 10)
    waits = Held(Record("id-2/0/0/a/b", state="pending"), 10)

    assert WaitsFor.of("key", [runs, waits]).holders == (("id-1", "one@host"),)
