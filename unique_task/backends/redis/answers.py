"""Whether an answer of Redis was lost, so that its client may have asked once more."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import redis

_operation = threading.local()


def expect_answer() -> None:
    """Forget of this thread what answers it has lost."""
    _operation.lost = False


def answer_was_lost() -> bool:
    """Return whether a connection broke since, on which this thread had asked."""
    return bool(_operation.lost)


class Noting:
    """Notes that a connection broke before an answer came.

    The command may have been done all the same: what the next one finds, sent by the
    client in its place, may be the work of the first.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            _operation.lost = True
            raise


@lru_cache(maxsize=64)
def noting(kind: type) -> type:
    """Return the kind of connection that notes lost answers too."""
    if issubclass(kind, Noting):
        return kind
    return type(kind.__name__, (Noting, kind), {})
