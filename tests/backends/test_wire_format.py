"""What version 0.1 stores of a lock is read today, and 0.1 reads what we store.

The texts were written by the code of version 0.1. Do not change one: processes of two
versions share a store while a deployment rolls on.
"""

import re
from dataclasses import replace

import pytest

from unique_task.backends.cells import (
    ADMITTED,
    FINISHED,
    GENERATION,
    LOCK,
    VALUE,
    Cell,
    Cells,
    anchor,
    heir_name,
    holder_name,
    leaving_name,
    mark_name,
    short_name,
)
from unique_task.backends.record import VERSION, Record, Token, attempt_of
from unique_task.backends.renewing import ReleasedBy, Tombstone, tombstone_name
from unique_task.backends.safe_names import fingerprint_of
from unique_task.exceptions import LockRecordError

UUID = "1b671a64-40d5-491e-99b0-da01ff1f3341"
FENCE = 1764393137123456

TOKENS = {
    f"{UUID}/0/0//a1b2c3d4e5f6": Token(UUID, 0, 0, "", "a1b2c3d4e5f6"),
    f"{UUID}/12/3/0badcafe/a1b2c3d4e5f6": Token(
        UUID, 12, 3, "0badcafe", "a1b2c3d4e5f6"
    ),
    "order%2017/%C3%A9%20%25/1/0/0badcafe/a1b2c3d4e5f6": Token(
        "order 17/é %", 1, 0, "0badcafe", "a1b2c3d4e5f6"
    ),
    "ORDER-17/0/0//00ff00ff00ff": Token("ORDER-17", 0, 0, "", "00ff00ff00ff"),
}
PLAIN, AGAIN, ODD, OWN = TOKENS

RECORDS = {
    f"1 {FENCE} {PLAIN} running   ": Record(PLAIN),
    f"1 {FENCE} {AGAIN} running celery@host shop.charge b0b1/4711/99 final": Record(
        AGAIN, "shop.charge", "celery@host", "running", "b0b1/4711/99", final=True
    ),
    f"1 {FENCE} {ODD} pending celery@h%C3%B8st%201 shop%20charge%20%C3%A9  "
    "1764393137000000": Record(
        *(ODD, "shop charge é", "celery@høst 1", "pending"), first=1764393137000000
    ),
    f"1 {FENCE} {OWN} called  shop.charge b0b1/4711/99": Record(
        OWN, "shop.charge", "", "called", "b0b1/4711/99"
    ),
}

#: New since: an operator holds the lock. Version 0.1 reads the words up to the process,
#: and passes over those behind it: a holder that it does not know, and never a number.
HOLDS = {
    f"1 {FENCE} hold-0badcafe0bad/0/0//a1b2c3d4e5f6 held  shop.charge  "
    "by:ann@h%C3%B8st why:a%20migration,%20100%25": Record(
        *("hold-0badcafe0bad/0/0//a1b2c3d4e5f6", "shop.charge", "", "held"),
        by="ann@høst",
        reason="a migration, 100%",
    ),
    f"1 {FENCE} {PLAIN} held    by:17 why:4711": Record(
        PLAIN, state="held", by="17", reason="4711"
    ),
}
RECORDS.update(HOLDS)

#: What is left where somebody has released the lock of a run that lives. Not of version
#: 0.1, which does not look for it.
TOMBSTONES = {
    b"1 ann@mill": "ann@mill",
    b"1 %C3%A9%20%0A%2F": "é \n/",
}
#: Those of a later version, which keep a token out all the same.
LATER_TOMBSTONES = {
    b"1 ann@mill and more": "ann@mill",
    b"2 x": "somebody with a newer version of unique_task",
}

#: Names of cells, each with that in memcached, and in a table where it is too long.
CELLS = {
    LOCK: ("lock", "unique:5f2b:lock"),
    VALUE: ("value", "unique:5f2b:value"),
    GENERATION: ("generation", "unique:5f2b:generation"),
    mark_name(AGAIN): (
        f"attempt:{UUID}/12/3/0badcafe",
        "unique:9db467e7c5c290206261433a44f2c95b848f76c2",
    ),
    leaving_name(AGAIN): (
        f"leaving:{UUID}/12/3/0badcafe",
        "unique:57c72c6bf59987b10a6d0604121bb3a039f50a16",
    ),
    tombstone_name(AGAIN): (
        f"released:{UUID}/12/3/0badcafe/a1b2c3d4e5f6",
        "unique:6cb7aaf3801a8fdf2830fe9170526aa216286044",
    ),
    heir_name(AGAIN): (
        f"heir:{UUID}/12/3/0badcafe/a1b2c3d4e5f6",
        "unique:ab3f8374bbcf7e569ff74f5bf0fac5715393fd21",
    ),
    holder_name(AGAIN): (
        f"holder:{UUID}/12/3/0badcafe/a1b2c3d4e5f6",
        "unique:d0fcf7dcc5d9a97a8fa64ccadcbbaaf806a778c4",
    ),
}


@pytest.mark.parametrize(("text", "token"), TOKENS.items(), ids=TOKENS)
def test_a_token_of_version_0_1_is_read_and_written_alike(text, token):
    assert Token.parse(text) == token
    again = Token.of_attempt(token.owner, token.retries, token.nesting, token.message)
    attempt, _, nonce = again.rpartition("/")
    assert attempt == attempt_of(text)
    assert re.fullmatch("[0-9a-f]{12}", nonce)


@pytest.mark.parametrize(("text", "record"), RECORDS.items(), ids=RECORDS)
def test_a_record_of_version_0_1_is_read_and_written_alike(text, record):
    assert Record.parse(text) == replace(record, fence=FENCE)
    assert record.text(FENCE) == text
    # Redis and a database put the version and the fence in front themselves.
    tail = text.removeprefix(f"{VERSION} {FENCE} ").removesuffix(f" {record.first}")
    assert record.tail == tail


@pytest.mark.parametrize("text", HOLDS)
def test_a_hold_is_a_foreign_holder_for_version_0_1(text):
    version, fence, token, *rest = text.split(" ")
    state, worker, task, process, *more = rest

    assert (version, fence, state) == ("1", str(FENCE), "held")
    # Version 0.1 looks for these two.
    assert "final" not in more
    assert not any(word.isdigit() for word in more)


def test_the_deliveries_of_a_message_share_what_they_shared_in_version_0_1():
    assert attempt_of(AGAIN) == f"{UUID}/12/3/0badcafe"


@pytest.mark.parametrize(("name", "stored"), CELLS.items(), ids=CELLS)
def test_cells_are_stored_under_the_names_of_version_0_1(name, stored):
    long, short = stored

    assert name == long
    assert short_name("5f2b", name, 250) == f"unique:5f2b:{long}"
    assert short_name("5f2b", name, 60) == short


def test_an_odd_key_is_stored_under_the_name_of_version_0_1():
    name = "unique:b6c3e0484fae8db34f0f279e7018a30f08d11caf"

    assert short_name("kéy", LOCK, 250) == name


def test_the_marks_of_an_attempt_are_those_of_version_0_1():
    assert (ADMITTED, FINISHED) == (b"admitted", b"finished")


def test_a_generation_of_version_0_1_is_read_and_written_alike():
    text = b"1764393137123456 1764393137000000"
    cells = Cells({GENERATION: Cell(text, 9)}, now=0, fence=1)

    assert cells.generation() == (1764393137123456, 1764393137000000)

    written = Cells({}, now=0, fence=1)
    written.set_generation(1764393137123456, 1764393137000000, seconds=9)
    assert written.changed == {GENERATION: Cell(text, 9)}


def test_the_anchor_of_several_holders_is_read_and_written_as_ever():
    text = b"2 1764393137123456 3"
    cells = Cells({LOCK: Cell(text, 9)}, now=0, fence=1)

    assert anchor(1764393137123456, 3) == text
    assert cells.is_shared()
    assert (cells.last_fence(), cells.kept()) == (1764393137123456, 3)


def test_version_0_1_leaves_a_lock_of_several_holders_alone():
    with pytest.raises(LockRecordError):
        Record.parse("2 1764393137123456 3")


@pytest.mark.parametrize(("text", "name"), TOMBSTONES.items())
def test_a_tombstone_is_read_and_written_as_ever(text, name):
    assert ReleasedBy.parse(text) == ReleasedBy(name)
    assert Tombstone(name, 1).text() == text


@pytest.mark.parametrize(("text", "name"), LATER_TOMBSTONES.items())
def test_a_tombstone_of_a_later_version_is_one(text, name):
    assert ReleasedBy.parse(text) == ReleasedBy(name)


def test_a_store_has_the_fingerprint_of_version_0_1():
    assert fingerprint_of("memcached:['localhost:11211']") == "1c8f4fdf"
