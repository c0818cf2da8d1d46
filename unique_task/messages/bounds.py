"""Limits for what a message may ask: any publisher can write any header."""

from __future__ import annotations

#: Seconds for which a call may ask to block its key, or to keep its value. The options
#: of the task may exceed it: they are code.
LONGEST = 31 * 86400.0

#: Seconds between two returns of a message that waits: at least, and at most if a
#: message says so.
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 86400.0
