"""Clients that also reserve locks for the messages that they publish."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.backends.clients import Clients
from tests.backends.model import Attempt
from tests.backends.search import (
    LEASES,
    Fate,
    Name,
    any_of,
    clients,
    fates,
    if_any,
    keys,
    leases,
    names,
    onces,
)
from tests.backends.stores import LONG, REMEMBERED, record_of, redelivered
from unique_task.backends.record import Record
from unique_task.backends.steps import Heir, Held, Reserved

#: Client, lease, whether a value is accepted, for how long the attempt is remembered,
#: and whether the end of the lock is kept.
Delivery = tuple[int, float, bool, float, bool]

replaceables = st.sampled_from([True, True, False])
deliveries: st.SearchStrategy[Delivery] = st.tuples(
    clients, st.just(0) | leases, st.booleans(), onces, st.booleans()
)


@dataclass(eq=False)
class Message:
    """A message that may start a task, and what its publisher knows of it."""

    client: int
    key: str
    record: Record
    #: How the lock is asked for; nothing for an heir, which is given it.
    lease: float = 0
    how: dict[str, Any] | None = None
    #: Of the reservation; None until the publisher hears of it.
    number: int | None = None
    #: Whose place it took.
    replaced: Held | None = None
    #: Whether it is on its way.
    published: bool = False


class Messages(Clients):
    """Several clients, two locks, and messages that wait for them."""

    # All tasks come by messages here, which find each other's locks the more often.
    take = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def unanswered_messages(self) -> list[Message]:
        return [one for one in self.messages if one.how and one.number is None]

    def reserved(self) -> list[Message]:
        return [one for one in self.messages if one.number is not None]

    def under_way(self) -> list[Message]:
        return [one for one in self.messages if one.published]

    def awaited(self) -> list[Message]:
        """Those for which a lock is reserved."""
        held = [lock.record.token for lock in self.model.locks.values()]
        return [one for one in self.under_way() if one.record.token in held]

    def successors(self) -> list[Message]:
        return [one for one in self.reserved() if one.replaced is not None]

    def outdone(self) -> list[Message]:
        """Those that are older than one that took the place of another."""
        latest = self.model.generations
        return [one for one in self.reserved() if (one.number or 0) < latest[one.key]]

    @rule(
        client=clients,
        key=keys,
        name=names,
        lease=leases,
        accept_value=st.booleans(),
        replaceable=replaceables,
        bound=st.sampled_from([None, LONG]),
        fate=fates,
    )
    def reserve(
        self,
        client: int,
        key: int,
        name: Name,
        lease: float,
        accept_value: bool,
        replaceable: bool,
        bound: float | None,
        fate: Fate,
    ) -> None:
        """A message is about to be published."""
        how = {
            "accept_value": accept_value,
            "replaceable": replaceable,
            "replace_within": bound,
        }
        record = replace(record_of(*name), state="pending")
        self._publish(Message(client, self.keys[key], record, lease, how), fate)

    @if_any(awaited)
    @rule(
        client=clients,
        other=any_of(awaited),
        name=names,
        lease=leases,
        replaceable=replaceables,
        fate=fates,
    )
    def take_the_place(
        self,
        client: int,
        other: Message,
        name: Name,
        lease: float,
        replaceable: bool,
        fate: Fate,
    ) -> None:
        """A message is about to be published in place of another, if that allows it."""
        how = {
            "accept_value": False,
            "replaceable": replaceable,
            "replace_within": LONG,
        }
        record = replace(record_of(*name), state="pending")
        self._publish(Message(client, other.key, record, lease, how), fate)

    @if_any(unanswered_messages)
    @rule(message=any_of(unanswered_messages), fate=fates)
    def reserve_again(self, message: Message, fate: Fate) -> None:
        """A publisher that heard no answer, or was refused, asks once more."""
        self._reserve(message, fate)

    @if_any(reserved)
    @rule(message=any_of(awaited, reserved))
    def give_up(self, message: Message) -> None:
        """It could not be published; or it was, and the publisher does not know."""
        args = message.key, message.record.token
        how: Any = {"value": None, "fresh_for": 0, "finished_for": 0, "heir": None}
        freed = self.model.release(*args, **how)
        for store in self.stores:
            store.release(message.client, freed, *args, **how)

    @if_any(successors)
    @rule(message=any_of(successors))
    def give_back(self, message: Message) -> None:
        """The same of one that had taken the place of another."""
        assert message.replaced is not None
        args = message.key, message.record.token, message.replaced
        restored = self.model.restore(*args)
        for store in self.stores:
            store.restore(message.client, restored, *args)

    @if_any(awaited)
    @rule(
        first=any_of(awaited),
        names=st.tuples(names, names),
        notified=st.integers(1, 2),
        back=st.permutations([0, 1]),
    )
    def fail_in_turn(
        self, first: Message, names: tuple[Name, Name], notified: int, back: list[int]
    ) -> None:
        """A message is notified after one of two replacements, which are not sent."""
        later = []
        for number, name in enumerate(names, 1):
            self.take_the_place(
                first.client, first, name, LEASES[0], True, Fate.ANSWERED
            )
            later.append(self.messages[-1])
            if number == notified:
                plain = first.client, LEASES[0], False, REMEMBERED, False
                self._deliver(first, plain, Fate.ANSWERED)
        for number in back:
            if later[number].replaced is not None:
                self.give_back(later[number])

    @if_any(awaited)
    @rule(message=any_of(awaited), how=deliveries, fate=fates)
    def start(self, message: Message, how: Delivery, fate: Fate) -> None:
        """The message arrives for which a lock is reserved."""
        self._deliver(message, how, fate)

    @if_any(outdone)
    @rule(message=any_of(outdone), how=deliveries, fate=fates)
    def come_too_late(self, message: Message, how: Delivery, fate: Fate) -> None:
        """A message arrives whose place another took, before or since."""
        self._deliver(message, how, fate)

    @if_any(under_way)
    @rule(message=any_of(under_way), how=deliveries, fate=fates)
    def deliver(self, message: Message, how: Delivery, fate: Fate) -> None:
        """A message arrives, maybe not for the first time."""
        self._deliver(message, how, fate)

    @if_any(Clients.alive)
    @rule(
        attempt=any_of(Clients.working, Clients.alive),
        name=names,
        lease=leases,
        value=st.none() | st.binary(max_size=3),
        fate=fates,
    )
    def leave(
        self,
        attempt: Attempt,
        name: Name,
        lease: float,
        value: bytes | None,
        fate: Fate,
    ) -> None:
        """An attempt leaves its lock to the next; also one that does not hold it."""
        record = replace(record_of(*name), state="pending")
        heir = Message(attempt.client, attempt.key, record, published=True)
        self.messages.append(heir)
        self._free(attempt, value, False, Heir(record, lease), fate)

    def _publish(self, message: Message, fate: Fate) -> None:
        self.messages.append(message)
        self._reserve(message, fate)

    def _reserve(self, message: Message, fate: Fate) -> None:
        if fate is Fate.REQUEST_LOST:
            return
        args, how = (message.key, message.record, message.lease), message.how or {}
        expected = self.model.reserve(*args, **how)
        for store in self.stores:
            store.reserve(
                message.client, expected, *args, **how, remember_for=REMEMBERED
            )
        if isinstance(expected, Reserved) and fate is Fate.ANSWERED:
            message.number, message.replaced = expected.fence, expected.replaced
            message.published = True

    def _deliver(self, message: Message, how: Delivery, fate: Fate) -> None:
        client, lease, accept_value, remember_for, keep_end = how
        attempt = Attempt(
            *(client, message.key, redelivered(message.record), lease),
            *(accept_value, remember_for, []),
        )
        attempt.message, attempt.generation = message.record.token, message.number
        attempt.keep_end = keep_end
        self._begin(attempt, fate)
