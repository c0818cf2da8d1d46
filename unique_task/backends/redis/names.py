"""The names under which Redis keeps what belongs to a lock."""

from __future__ import annotations

from ..record import attempt_of
from ..steps import Acquisition


class Names:
    """The names of the keys in Redis. They are a wire format: old and new agree.

    Arguments:
        prefix: of them all.
    """

    def __init__(self, prefix: str) -> None:
        self.head = f"{prefix}unique:"

    # The braces put all keys of one lock into one slot of a cluster.
    def lock(self, key: str) -> str:
        return f"{self.head}{{{key}}}"

    def generation(self, key: str) -> str:
        return f"{self.head}{{{key}}}:generation"

    def heir(self, key: str, token: str) -> str:
        return f"{self.head}{{{key}}}:heir:{token}"

    def value(self, key: str) -> str:
        return f"{self.head}{{{key}}}:value"

    def mark(self, key: str, token: str) -> str:
        return f"{self.head}{{{key}}}:attempt:{attempt_of(token)}"

    def leaving(self, key: str, token: str) -> str:
        return f"{self.head}{{{key}}}:leaving:{attempt_of(token)}"

    def of(self, wanted: Acquisition) -> list[str]:
        """Return those of the lock that is wanted, in the order of the script."""
        keys = [self.lock(wanted.key)]
        if wanted.remember_for:
            keys.append(self.mark(wanted.key, wanted.record.token))
            keys.append(self.leaving(wanted.key, wanted.record.token))
        if wanted.generation:
            keys.append(self.generation(wanted.key))
        if wanted.accept_value:
            keys.append(self.value(wanted.key))
        return keys
