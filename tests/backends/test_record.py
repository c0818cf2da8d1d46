"""The text that a store keeps of a lock."""

import re

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, just, text, tuples

from unique_task.backends.record import Record, Token, attempt_of
from unique_task.exceptions import LockRecordError, LockStoreError

UNREADABLE = {
    "newer": "2 17 task-1/0/0//ab running worker task",
    "newer, longer": "2 17 3 task-1/0/0//ab task-2/0/0//cd",
    "newer, another form": '{"version": 2}',
    "no record": "a text of somebody else",
    "empty": "",
    "fields missing": "1 17 task-1/0/0//ab running",
    "no fence": "1 fence task-1/0/0//ab running worker task",
    "no token": "1 17 token running worker task",
}


@settings(deadline=None)
@given(owner=text(), task=text(), worker=text(), numbers=tuples(*[integers(0)] * 3))
def test_whatever_is_written_is_read_again(owner, task, worker, numbers):
    retries, nesting, fence = numbers
    token = Token.of_attempt(owner, retries, nesting)
    record = Record(token, task, worker, "running", "machine/1/2", fence)

    parsed = Token.parse(token)
    assert (parsed.owner, parsed.retries, parsed.nesting) == (owner, retries, nesting)
    assert Record.parse(record.text(fence)) == record


HOLD = {"state": "held", "by": "ann", "reason": "migration"}


@pytest.mark.parametrize("fields", [{"first": 5}, {"final": True}, HOLD])
def test_what_is_said_at_the_end_of_a_record_is_read_again(fields):
    record = Record("task-1/0/0//ab", fence=17, **fields)

    assert Record.parse(record.text(17)) == record
    # What a later version may add is passed over.
    assert Record.parse(f"{record.text(17)} more") == record


@settings(deadline=None)
@given(by=text(), reason=text() | integers(0).map(str) | just("final"))
def test_who_holds_a_lock_and_why_is_read_again_and_is_nothing_else(by, reason):
    """A word of digits would be taken for `first`, that of a replaceable message."""
    record = Record(
        "hold-1/0/0//ab", "shop", state="held", fence=17, by=by, reason=reason
    )

    assert Record.parse(record.text(17)) == record
    assert re.fullmatch(r"1 17 \S+ held  shop  by:[!-~]* why:[!-~]*", record.text(17))
    assert record.hold == f"held by {by}: {reason}"


@settings(deadline=None)
@given(owner=text(), task=text(), worker=text())
def test_a_record_is_one_line_of_seven_words(owner, task, worker):
    record = Record(Token.of_attempt(owner), task, worker)

    # A script in the store finds the token by counting words.
    assert re.fullmatch(r"1 17 [!-~]+ running [!-~]* [!-~]* ", record.text(17))
    assert record.text(17).split(" ")[2] == record.token


@pytest.mark.parametrize("state", ["pending", "running", "called", "held"])
def test_a_holder_is_named_as_what_it_is(state):
    record = Record("task-1/0/0//ab", "shop", state=state, by="ann", reason="migration")
    held = state == "held"

    assert record.refusal == "held by ann: migration" if held else "duplicate of task-1"
    assert record.has_result == (state in ("pending", "running"))
    assert (record.has_value_for("shop"), record.has_value_for("x")) == (
        not held,
        False,
    )


def test_two_attempts_never_have_one_token():
    tokens = {Token.of_attempt("task-1", retries=0) for _ in range(1000)}

    assert len(tokens) == 1000


def test_all_deliveries_of_a_message_are_one_attempt():
    first, second = (Token.of_attempt("task-1", 2, 1) for _ in range(2))

    assert first != second
    assert attempt_of(first) == attempt_of(second)


@pytest.mark.parametrize(
    "other", [("task-2", 2, 1), ("task-1", 3, 1), ("task-1", 2, 2)]
)
def test_another_try_or_replacement_is_another_attempt(other):
    token = Token.of_attempt("task-1", 2, 1)

    assert attempt_of(token) != attempt_of(Token.of_attempt(*other))


def test_a_record_tells_the_owner():
    assert Record(Token.of_attempt("task-1", retries=3)).owner == "task-1"


def test_the_fence_tells_since_when_a_lock_is_held():
    assert (
        Record("task-1/0/0//ab", fence=1_700_000_000_500_000).since == 1_700_000_000.5
    )


def test_a_lock_that_is_not_taken_is_held_since_never():
    assert Record("task-1/0/0//ab").since is None


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE)
def test_what_this_version_cannot_read_is_an_error_of_its_own(line):
    with pytest.raises(LockRecordError):
        Record.parse(line)


def test_the_error_says_what_to_do():
    with pytest.raises(LockRecordError, match="update unique_task here, or wait"):
        Record.parse("2 17 task-1/0/0//ab running worker task")


def test_a_lock_that_cannot_be_read_counts_as_a_store_out_of_order():
    assert issubclass(LockRecordError, LockStoreError)
