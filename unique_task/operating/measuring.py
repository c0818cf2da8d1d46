"""Measures the locks of an app, for systems of metrics that ask again and again."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock as Mutex

from celery import Celery

from .app_tasks import stores_of
from .counted import flush_own
from .holders import Missing
from .measures import Points
from .reading import Reading
from .totals import Totals
from .workers import TIMEOUT, Answers, Workers

logger = logging.getLogger(__name__)


class Measurements:
    """Measures again and again; counters never go back while this object lives.

    Arguments:
        app: with all its tasks.
        timeout: seconds to wait for workers to tell which calls wait; 0 not to ask.
        locks: whether to list the locks, which takes seconds for 100 000.
        fresh_for: seconds for which one look serves all that ask.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """

    def __init__(
        self,
        app: Celery,
        *,
        timeout: float = TIMEOUT,
        locks: bool = True,
        fresh_for: float = 0.0,
    ) -> None:
        stores_of(app)
        self._app, self._timeout, self._locks = app, timeout, locks
        self._fresh_for = fresh_for
        self._totals: defaultdict[str, Totals] = defaultdict(Totals)
        self._mutex = Mutex()
        self._latest: tuple[float, Points] | None = None
        self._missing: frozenset[Missing] = frozenset()

    def look(self) -> Points:
        """Return what is known now; what a store or the workers do not tell is not.

        Of several that ask while one looks, nobody looks again: where a store is slow,
        more and more would queue::

            one    looks ................. has it
            other      asks, waits ....... has it, too
        """
        asked = time.monotonic()
        with self._mutex:
            latest = self._latest
            if latest is None or latest[0] + self._fresh_for < asked:
                points = self._look()
                self._latest = latest = (time.monotonic(), points)
            return latest[1]

    def _look(self) -> Points:
        stores = stores_of(self._app)
        flush_own(stores.values())
        reading = Reading(self._app, stores)
        # Beside each other: workers take their time, and a store that is away, too.
        with ThreadPoolExecutor(1, "unique_task measures") as threads:
            answers = threads.submit(self._ask_workers)
            reading.ask_stores()
            reading.add_counters(self._totals)
            if self._locks:
                reading.add_locks()
        if self._timeout:
            reading.add_waiting(answers.result())
        self._warn(reading.missing)
        return reading.points

    def _ask_workers(self) -> Answers:
        return Workers(self._app, self._timeout).ask("unique_waiting")

    def _warn(self, missing: Iterable[Missing]) -> None:
        """Log what is missing, once for as long as it is."""
        now = {one.what: one for one in missing}
        known = {one.what for one in self._missing}
        for one in now.values():
            if one.what not in known:
                logger.warning("not measured: %s: %s", one.what, one.reason)
        self._missing = frozenset(now.values())
