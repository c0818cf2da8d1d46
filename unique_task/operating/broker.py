"""What the app's broker does with messages that nobody acknowledges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.transport.virtual import Channel


@dataclass(frozen=True)
class Broker:
    """The kind of an app's broker; nobody asks the broker itself.

    Attributes:
        kind: by its protocol, such as ``redis`` or ``amqp``.
        visibility: seconds after which it delivers an unacknowledged message again;
            None if it does not do so by the clock, or that is not known here.
        keeps: whether it surely does not do so by the clock.
    """

    kind: str
    visibility: float | None
    keeps: bool

    @classmethod
    def of(cls, app: Celery) -> Broker:
        """Return the broker of an app; it does not connect."""
        transport: Any = app.connection_for_read().get_transport_cls()
        channel = getattr(transport, "Channel", None)
        visibility = _visibility(app, channel)
        virtual = isinstance(channel, type) and issubclass(channel, Channel)
        return cls(transport.driver_type, visibility, virtual and visibility is None)


def _visibility(app: Celery, channel: Any) -> float | None:
    """Return the visibility timeout that is set, or the transport's own."""
    for name in ("default_visibility_timeout", "visibility_timeout"):
        own = getattr(channel, name, None)
        if isinstance(own, (int, float)):
            options = app.conf.broker_transport_options or {}
            return float(options.get("visibility_timeout") or own)
    return None
