"""What the questions about a lock have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Asked(ABC):
    """A question to a store, which may need to look at more than the holders."""

    limit: int

    @property
    @abstractmethod
    def bare(self) -> bool:
        """True if the store needs to look at nothing but the holders."""

    @property
    def plain(self) -> bool:
        """True if, besides, the lock has one holder at most."""
        return self.limit == 1 and self.bare
