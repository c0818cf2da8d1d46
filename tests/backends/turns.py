"""What is noted of a lock that many take in turn, and what must be true of that."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter


@dataclass(frozen=True)
class Turn:
    """From when to when a lock was surely held, in nanoseconds of the machine."""

    key: str
    fence: int
    since: int
    until: int


def assert_one_at_a_time(turns: Iterable[Turn], fenced: bool) -> None:
    """No two held a lock at one time, and fences have grown if there are any."""
    in_order = sorted(turns, key=attrgetter("key", "since"))
    for earlier, later in pairwise(in_order):
        if earlier.key == later.key:
            assert earlier.until <= later.since
            assert earlier.fence < later.fence or not fenced
