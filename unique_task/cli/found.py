"""What a command finds, as locks, and what it could not see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from .. import operating
from .output import Away

One = TypeVar("One")


class Found(Generic[One]):
    """What comes in, without what is missing, which it keeps for the end.

    Attributes:
        count: how many have come in.
        missing: what is missing so far, for people.
    """

    def __init__(self, found: Iterable[One | operating.Missing]) -> None:
        self.count = 0
        self.missing: list[str] = []
        self._found = found

    def __iter__(self) -> Iterator[One]:
        for one in self._found:
            if isinstance(one, operating.Missing):
                self.missing.append(str(one))
            else:
                self.count += 1
                yield one

    def nothing(self, text: str) -> str:
        """Return what to print if nothing came in: `text` only if all could be seen."""
        return "none was seen" if self.missing else text

    def say_what_is_missing(self, what: str = "locks") -> None:
        """Fail if something of some store is missing.

        Raises:
            Away: it names the stores.
        """
        if self.missing:
            raise Away(f"{what} are missing: {'; '.join(self.missing)}")
