"""Metrics and spans of OpenTelemetry; needs ``unique_task[opentelemetry]``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from celery import Celery
from opentelemetry import trace
from opentelemetry.metrics import (
    CallbackOptions,
    Meter,
    MeterProvider,
    Observation,
    get_meter,
)
from opentelemetry.trace import Span

from .leases.lease import Lease
from .messages.waited import Waited, is_queued
from .operating import MEASURES, Kind, Measure, Measurements, Point
from .signals import (
    connect_once,
    lock_acquired,
    lock_lost,
    task_duplicate,
    task_waits,
)

__all__ = ["annotate_spans", "observe"]

#: Put before the names of instruments and attributes, which are in people's queries:
#: they stay.
_PREFIX = "unique_task"

#: Seconds for which one look at the stores serves all instruments: a reader asks one
#: after the other.
_FRESH_FOR = 1.0


def observe(
    app: Celery,
    *,
    meter_provider: MeterProvider | None = None,
    timeout: float = 1.0,
    locks: bool = True,
) -> None:
    """Make instruments that read the stores of the locks whenever a reader asks.

    They have the names and the meaning of Prometheus' metrics, with dots:
    ``unique_task.runs``. The numbers are those of all processes, so call this in one
    process alone.

    Arguments:
        app: with all its tasks: import them first.
        meter_provider: None for the global one.
        timeout: seconds to wait for workers to tell which calls wait; 0 not to ask.
        locks: whether to list the locks that are held.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    found = Measurements(app, timeout=timeout, locks=locks, fresh_for=_FRESH_FOR)
    meter = get_meter(_PREFIX, meter_provider=meter_provider)
    for measure in MEASURES:
        _instrument(meter, measure, found)


def _instrument(meter: Meter, measure: Measure, found: Measurements) -> None:
    name, text = f"{_PREFIX}.{measure.name}", measure.help

    def observed(value: Callable[[Point], float]) -> Any:
        def callback(_: CallbackOptions) -> Iterable[Observation]:
            for point in found.look().get(measure.name, ()):
                attributes = dict(zip(measure.labels, point.labels))
                yield Observation(value(point), attributes)

        return [callback]

    values = observed(lambda point: point.value)
    unit = "s" if measure.name.endswith("_seconds") else "1"
    if measure.kind is Kind.GAUGE:
        meter.create_observable_gauge(name, values, unit, text)
        return
    meter.create_observable_counter(name, values, unit, text)
    if measure.kind is Kind.SECONDS:
        counts = observed(lambda point: point.count)
        name = name.replace("_seconds", "_count")
        meter.create_observable_counter(name, counts, "1", f"{text} (how many)")


def annotate_spans() -> None:
    """Write what happens to the lock of a task into the task's span.

    The span is that which runs when the task does, as opentelemetry-instrumentation-
    celery makes one. A duplicate that is met at publish, or by a direct call, becomes
    an event of the caller's span. To call this again does nothing.
    """
    connect_once(lock_acquired, _note_acquired)
    connect_once(lock_lost, _note_lost)
    connect_once(task_duplicate, _note_duplicate)
    connect_once(task_waits, _note_waits)


#: The spans of runs: the keeper finds in another thread that a lock is lost.
_spans: WeakKeyDictionary[Lease, Span] = WeakKeyDictionary()


def _note_acquired(lock: Lease, **_: Any) -> None:
    span = trace.get_current_span()
    if not span.is_recording():
        return
    _spans[lock] = span
    _set(span, outcome="ran", key=lock.key, owner=lock.owner, fence=lock.fence)
    if is_queued(lock.request):
        waited = Waited.of(lock.request)
        if waited.times:
            _set(span, waited=max(0.0, time.time() - waited.since))


def _note_lost(lock: Lease, **_: Any) -> None:
    span = _spans.get(lock)
    if span is not None:
        span.add_event(f"{_PREFIX}.lock_lost", {f"{_PREFIX}.loss": lock.loss})


def _note_duplicate(key: str, owner: str | None, **more: Any) -> None:
    span, at = trace.get_current_span(), more["at"]
    if at == "run":
        _set(span, outcome=more["outcome"], key=key, owner=owner)
    else:
        found = _named(outcome=more["outcome"], key=key, owner=owner, at=at)
        span.add_event(f"{_PREFIX}.duplicate", dict(found))


def _note_waits(key: str, owner: str | None, since: float, **_: Any) -> None:
    waited = max(0.0, time.time() - since)
    span = trace.get_current_span()
    _set(span, outcome="waits", key=key, owner=owner, waited=waited)


def _set(span: Span, **attributes: Any) -> None:
    span.set_attributes(dict(_named(**attributes)))


def _named(**attributes: Any) -> Iterator[tuple[str, Any]]:
    """Yield attributes with their full names; one that is not known is left out."""
    for name, value in attributes.items():
        if value is not None:
            yield f"{_PREFIX}.{name}", value
