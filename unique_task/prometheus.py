"""Locks and counters as metrics of Prometheus; needs ``unique_task[prometheus]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from celery import Celery
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from .operating import MEASURES, Kind, Measure, Measurements, Point

__all__ = ["UniqueTaskCollector"]

#: Put before the names of all metrics, which are in people's queries: they stay.
_PREFIX = "unique_task"


class UniqueTaskCollector(Collector):
    """Reads the stores of the locks each time that Prometheus asks.

    The numbers are those of all processes, so one collector is enough, in any of them.
    It never raises because a store does not answer: ``unique_task_store_up`` is 0 then,
    and what that store knows is missing.

    Arguments:
        app: with all its tasks: import them first.
        timeout: seconds to wait for workers to tell which calls wait; 0 not to ask
            them, and to have no ``unique_task_waiting``.
        locks: whether to list the locks that are held, for ``unique_task_locks`` and
            ``unique_task_oldest_lock_seconds``.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.

    Example::

        from prometheus_client import REGISTRY

        REGISTRY.register(UniqueTaskCollector(app))
    """

    def __init__(self, app: Celery, *, timeout: float = 1.0, locks: bool = True):
        self._measurements = Measurements(app, timeout=timeout, locks=locks)

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without values: to register asks no store."""
        for measure in MEASURES:
            yield _family(measure, ())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with what is known now."""
        points = self._measurements.look()
        for measure in MEASURES:
            if measure.name in points:
                yield _family(measure, points[measure.name])


def _family(measure: Measure, points: Sequence[Point]) -> Metric:
    name, text = f"{_PREFIX}_{measure.name}", measure.help
    if measure.kind is Kind.SECONDS:
        summary = SummaryMetricFamily(name, text, labels=measure.labels)
        for point in points:
            summary.add_metric(point.labels, int(point.count), point.value)
        return summary
    kind = CounterMetricFamily if measure.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(name, text, labels=measure.labels)
    for point in points:
        family.add_metric(point.labels, point.value)
    return family
