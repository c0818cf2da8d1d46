"""Locks as a command finds them, and what it could not see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import operating
from .output import Away


class Found:
    """Locks as they come in, without what is missing, which it keeps for the end."""

    def __init__(self, found: Iterable[operating.Lock | operating.Missing]) -> None:
        self.count = 0
        self._found = found
        self._missing: list[operating.Missing] = []

    def __iter__(self) -> Iterator[operating.Lock]:
        for one in self._found:
            if isinstance(one, operating.Missing):
                self._missing.append(one)
            else:
                self.count += 1
                yield one

    def say_what_is_missing(self) -> None:
        """Fail if locks of some store are missing.

        Raises:
            Away: it names the stores.
        """
        texts = [named(missing) for missing in self._missing]
        if texts:
            raise Away(f"locks are missing: {'; '.join(texts)}")


def named(missing: operating.Missing) -> str:
    """Return why something is missing, with the name of the store once."""
    if missing.reason.startswith(missing.what):
        return missing.reason
    return f"{missing.what}: {missing.reason}"
