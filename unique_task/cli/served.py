"""What the commands that serve have in common: what they need, and how they end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .output import Failed


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Say which extra has what the block imports, if that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Failed(
            f"the module {error.name} is missing: pip install 'unique_task[{extra}]'"
        ) from error


@contextmanager
def until_ended() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block, as if it had come to its end."""
    # As the first process of a container it would not hear SIGTERM without a handler.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield


def in_url(host: str) -> str:
    """Return a host as a URL has it: addresses of IPv6 in brackets."""
    return f"[{host.strip('[]')}]" if ":" in host else host
