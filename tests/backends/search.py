"""What clients of a store may do, to be searched for the order that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from tests.backends.model import AGES
from tests.backends.stores import REMEMBERED

CLIENTS = 3

#: The shortest time that any store can count.
INSTANT = 0.001

# Derandomized, as all searches here: a red run is the fault of the change under test.
search = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
)

#: So different that what remains of one shows which it is.
LEASES = [AGES * 2, AGES * 3, AGES * 4]

#: Owner, retries, nesting and message of an attempt.
Name = tuple[str, int, int, str]

clients = st.integers(0, CLIENTS - 1)
keys = st.sampled_from([0, 1])
leases = st.sampled_from(LEASES)
#: Whether an attempt is remembered.
onces = st.sampled_from([0, REMEMBERED])
#: A few, so that the same attempt comes up often.
names: st.SearchStrategy[Name] = st.sampled_from(
    [
        ("task", 0, 0, "message"),
        ("task", 1, 0, "message"),
        ("task", 0, 1, "message"),
        ("task", 0, 0, "another"),
        ("another", 0, 0, "message"),
    ]
)


class Fate(Enum):
    """What becomes of a request to a store."""

    ANSWERED = "answered"
    #: Done, and the client does not know.
    REPLY_LOST = "reply lost"
    #: Not done, and the client does not know.
    REQUEST_LOST = "request lost"


fates = st.sampled_from([Fate.ANSWERED, *Fate])


def any_of(*groups: Callable[[Any], list[Any]]) -> st.SearchStrategy[Any]:
    """One of what is in any of the groups, each of them as likely."""
    return st.runner().flatmap(
        lambda machine: st.one_of(
            [st.sampled_from(group(machine)) for group in groups if group(machine)]
        )
    )


def if_any(group: Callable[[Any], list[Any]]) -> Callable[[Any], Any]:
    return precondition(lambda machine: bool(group(machine)))
