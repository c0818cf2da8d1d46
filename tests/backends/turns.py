"""What is noted of a lock that many take in turn, and what must be true of that."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from operator import attrgetter


@dataclass(frozen=True)
class Turn:
    """From when to when a lock was surely held, in nanoseconds of the machine.

    The store had taken it at some time from `asked` to `since`.
    """

    key: str
    fence: int
    since: int
    until: int
    asked: int = 0


def assert_one_at_a_time(turns: Iterable[Turn], fenced: bool) -> None:
    """No two held a lock at one time, and fences have grown if there are any."""
    in_order = sorted(turns, key=attrgetter("key", "since"))
    for earlier, later in pairwise(in_order):
        if earlier.key == later.key:
            assert earlier.until <= later.since
            assert earlier.fence < later.fence or not fenced


def assert_at_most(limit: int, turns: Iterable[Turn]) -> None:
    """No more held a lock at one time; each fence is greater than those of turns over.

    Of turns that overlap, or whose answers did, only the store knows which was first.
    """
    held: dict[str, list[int]] = defaultdict(list)
    for turn in sorted(turns, key=attrgetter("since")):
        ends = held[turn.key]
        while ends and ends[0] <= turn.since:
            heappop(ends)
        heappush(ends, turn.until)
        assert len(ends) <= limit
    by_end = sorted(turns, key=attrgetter("until"))
    last: dict[str, int] = defaultdict(int)
    for turn in sorted(turns, key=attrgetter("asked")):
        while by_end[0].until <= turn.asked:
            over = by_end.pop(0)
            last[over.key] = max(last[over.key], over.fence)
        assert turn.fence > last[turn.key]
