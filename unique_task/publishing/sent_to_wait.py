"""Sends a call whose key is held, to wait for the lock in its worker."""

from __future__ import annotations

import time

from ..backends.steps import Held
from ..messages.waited import Waited
from ..messages.waits_for import WaitsFor
from ..options.policies import Wait
from .outgoing import Outgoing, ToSend


def send_to_wait(outgoing: Outgoing, held: Held, policy: Wait) -> ToSend:
    """Send a message with a countdown; its worker may start it when the lock is free.

    If the caller has chosen when the call starts, it does not start before that.
    """
    options, chosen = outgoing.options, outgoing.options.wait
    options.wait = max(chosen, policy.next_countdown(0))
    to_send = outgoing.without_reservation()
    if not chosen:
        waits_for = WaitsFor.of(
            outgoing.key, (held,), limit=outgoing.limit, patience=policy.maximum
        )
        to_send.waited = Waited(0, time.time(), outgoing.message, waits_for=waits_for)
    return to_send
