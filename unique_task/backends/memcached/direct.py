"""Takes and releases a lock that has no other cells, by the fewest requests."""

from __future__ import annotations

import time

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from ..cells import LOCK, is_record_of, short_name
from ..record import VERSION
from ..steps import Acquisition, Release, Reservation
from .cells import NAME_LENGTH, whole


def take(client: Client, wanted: Acquisition | Reservation) -> int | None:
    """Take a lock that is free; return its fence, None if the lock is held."""
    fence, name = time.time_ns() // 1000, short_name(wanted.key, LOCK, NAME_LENGTH)
    content = f"{VERSION} {fence} {wanted.record.tail}".encode()
    return fence if client.add(name, content, whole(wanted.expire)) else None


def release(client: Client, left: Release, tries: list[bool]) -> bool | None:
    """Release a lock; return whether its token held it, None if others were faster.

    Arguments:
        tries: gets True where an error means that the lock may be released.
    """
    name = short_name(left.key, LOCK, NAME_LENGTH)
    # No command compares the token. The number tells whether the lock has changed.
    head, _, content = client.raw_command(f"mg {name} v c\r\nmn", "MN\r\n").partition(
        b"\r\n"
    )
    if head[:2] not in (b"VA", b"EN"):  # the client has dropped the beginning
        raise MemcacheUnexpectedCloseError
    if not is_record_of(content, left.token):
        return False
    number = head.rpartition(b"c")[2].decode()
    tries.append(True)
    if client.raw_command(f"md {name} C{number}").startswith(b"HD"):
        return True
    tries.clear()
    return None
