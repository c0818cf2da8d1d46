"""Connections to PostgreSQL that do not wait for a frozen server for ever."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import psycopg

from .deadline import seconds_left


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose statements end at the deadline of the operation."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """Wait as the parent does, which looks ten times a second whether to go on."""
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and seconds_left() < 0:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server does not answer in time")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value
