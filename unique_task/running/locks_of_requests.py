"""The lock of a task that runs, as its worker's parent process can find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..backends.base import Backend
from ..backends.steps import Held
from ..messages.lock_header import LockHeader
from ..options.guarded_class import spec_of


@dataclass(frozen=True)
class LockOfRequest:
    """The lock that a task holds while it runs, if it got it.

    Attributes:
        key: the digest.
        owner: id of the task.
        backend: where the lock lives.
        name: of the lock in the store.
        limit: how many may hold it.
    """

    key: str
    owner: str
    backend: Backend
    name: str
    limit: int

    def own_holders(self) -> Sequence[Held]:
        """Return the attempts of the task that hold the lock now.

        Raises:
            LockStoreError: if the store does not answer.
        """
        holders = self.backend.holders(self.name)
        return [held for held in holders if held.record.owner == self.owner]


def lock_of_request(request: Any) -> LockOfRequest | None:
    """Return the lock of a worker's request; None if the call is not guarded.

    Raises:
        Exception: what the key's callable raises, among others.
    """
    published = LockHeader.of(request.request_dict)
    call_plan = spec_of(request.task).call_plan(
        request.task, published, request.args, request.kwargs
    )
    if call_plan is None:
        return None
    lock_type, owner = call_plan.plan.lock, str(request.id)
    return LockOfRequest(
        key=call_plan.key,
        owner=owner,
        backend=call_plan.backend,
        name=lock_type.run_name(call_plan.key, owner),
        limit=lock_type.run_limit(call_plan.limit),
    )
