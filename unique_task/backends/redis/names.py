"""The names under which Redis keeps what belongs to a lock."""

from __future__ import annotations

from ..record import attempt_of
from ..steps import Claim


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

    def of(self, claim: Claim) -> list[str]:
        """Return those that a claim is about, in the order of the script."""
        keys = [self.lock(claim.key)]
        if claim.once:
            keys.append(self.mark(claim.key, claim.record.token))
            keys.append(self.leaving(claim.key, claim.record.token))
        if claim.generation:
            keys.append(self.generation(claim.key))
        if claim.stored:
            keys.append(self.value(claim.key))
        return keys
