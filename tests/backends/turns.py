"""What is noted of a lock that many take in turn, and what must be true of that."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from operator import attrgetter


@dataclass(frozen=True)
class Turn:
    """From when to when a lock was surely held, in nanoseconds of the machine.

    Attributes:
        asked: when the store was asked for it.
    """

    key: str
    fence: int
    asked: int
    since: int
    until: int


def assert_one_at_a_time(turns: Iterable[Turn], fenced: bool) -> None:
    """No two held a lock at one time, and fences have grown if there are any."""
    in_order = sorted(turns, key=attrgetter("key", "since"))
    for earlier, later in pairwise(in_order):
        if earlier.key == later.key:
            assert earlier.until <= later.since
            assert earlier.fence < later.fence or not fenced


def assert_at_most(limit: int, turns: Sequence[Turn]) -> None:
    """No more held a lock at one time; each fence is greater than those of turns over.

    Over when the store was asked: of turns that overlap, only the store knows which was
    taken first.
    """
    held: dict[str, list[int]] = defaultdict(list)
    for turn in sorted(turns, key=attrgetter("since")):
        ends = held[turn.key]
        while ends and ends[0] <= turn.since:
            heappop(ends)
        heappush(ends, turn.until)
        assert len(ends) <= limit
    over = sorted(turns, key=attrgetter("until"), reverse=True)
    last: dict[str, int] = defaultdict(int)
    for turn in sorted(turns, key=attrgetter("asked")):
        while over and over[-1].until <= turn.asked:
            earlier = over.pop()
            last[earlier.key] = max(last[earlier.key], earlier.fence)
        assert turn.fence > last[turn.key]
