"""Holders that do not run where they should, after which a call was started."""

from __future__ import annotations

from collections.abc import Iterable

#: Locks, and holders of one lock, to remember at most: remembering only saves work.
_MOST_LOCKS = 10_000
_MOST_HOLDERS = 1000


class PassedOver:
    """Holders that do not run where they should, by the keys of their locks.

    Such a holder has ended just before somebody asked; so a call starts. Or its worker
    has died, and the lock ends by its time; then the call is refused, and comes back at
    once. It must not start at once again, for as long as the lock may stand.
    """

    def __init__(self) -> None:
        self._by_key: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def has(self, key: str, task: str) -> bool:
        return task in self._by_key.get(key, ())

    def add(self, key: str, task: str) -> None:
        """Note a holder; maybe an older note goes for it."""
        if key not in self._by_key and len(self._by_key) >= _MOST_LOCKS:
            self.forget(next(iter(self._by_key)))
        tasks = self._by_key.setdefault(key, set())
        if len(tasks) >= _MOST_HOLDERS:
            tasks.clear()
        tasks.add(task)

    def keep_only(self, key: str, holders: Iterable[str]) -> None:
        """Forget all but these holders: the others do not hold the lock any more."""
        tasks = self._by_key.get(key)
        if tasks is not None:
            tasks.intersection_update(holders)
            if not tasks:
                self.forget(key)

    def forget(self, key: str) -> None:
        """Forget the holders of a lock."""
        self._by_key.pop(key, None)
