"""What is noted of a lock that many take in turn, and what must be true of that."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
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


def assert_at_most(limit: int, turns: Iterable[Turn]) -> None:
    """No more held a lock at one time; each fence is greater than those of turns over.

    Of turns that overlap, only the store knows which was taken first.
    """
    held: dict[str, list[tuple[int, int]]] = defaultdict(list)
    last: dict[str, int] = defaultdict(int)
    for turn in sorted(turns, key=attrgetter("since")):
        holders = held[turn.key]
        while holders and holders[0][0] <= turn.since:
            last[turn.key] = max(last[turn.key], heappop(holders)[1])
        heappush(holders, (turn.until, turn.fence))
        assert len(holders) <= limit
        assert turn.fence > last[turn.key]
