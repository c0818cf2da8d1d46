"""What OpenTelemetry is given: instruments that read the stores, and tasks' spans."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.inprocess import value_of
from tests.metrics.store import counted
from tests.operating.test_explain import hold as run_under
from tests.published_calls import holder, key_of, store_of, task_of
from tests.waiting import wait_until
from unique_task import current_lock, retry, signals, skip, unique
from unique_task.counting import names
from unique_task.counting.names import RUNS
from unique_task.opentelemetry import annotate_spans, observe
from unique_task.operating import MEASURES

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def reader(app, store) -> Any:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    observe(app, meter_provider=provider, timeout=0)
    yield reader
    provider.shutdown()


def observed(reader: InMemoryMetricReader) -> dict[str, Any]:
    """The values of each instrument by its name, by the values of its attributes."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: {
            tuple(dict(point.attributes or {}).values()): getattr(point, "value")
            for point in metric.data.data_points
        }
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.fixture
def _no_pause(monkeypatch) -> None:
    monkeypatch.setattr("unique_task.opentelemetry._FRESH_FOR", 0.0)


@pytest.mark.usefixtures("_no_pause")
def test_instruments_read_what_is_counted_when_they_are_asked(reader, store):
    assert observed(reader)["unique_task.runs"] == {("work",): 0}

    counted(store, RUNS, 2, seconds=1.5)
    counted(store, names.duplicates("retry", "run"), 3)

    found = observed(reader)
    assert found["unique_task.runs"] == {("work",): 2}
    assert found["unique_task.held_seconds"] == {("work",): 3.0}
    assert found["unique_task.held_count"] == {("work",): 2}
    assert found["unique_task.duplicates"]["work", "retry", "run"] == 3
    assert found["unique_task.store_up"] == {("memory://",): 1}


def test_one_look_at_the_store_serves_all_instruments(reader, store):
    store.asked = 0
    assert len(observed(reader)) > len(MEASURES) / 2

    assert store.asked < len(MEASURES) / 2


@pytest.mark.usefixtures("_no_pause")
def test_of_a_store_that_is_away_only_that_is_observed(reader, store, caplog):
    store.away = True

    found = {name: points for name, points in observed(reader).items() if points}

    assert found == {"unique_task.store_up": {("memory://",): 0}}


@pytest.fixture(scope="module")
def traced() -> Any:
    """What is traced in this process; the module's worker has to start behind it."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor: Any = CeleryInstrumentor()  # type: ignore[no-untyped-call]
    instrumentor.instrument(tracer_provider=provider)
    names = ("lock_acquired", "lock_lost", "task_duplicate", "task_waits")
    before = {name: list(getattr(signals, name).receivers or ()) for name in names}
    annotate_spans()
    annotate_spans()
    yield exporter
    for name, receivers in before.items():
        getattr(signals, name).receivers = receivers
    instrumentor.uninstrument()


@pytest.fixture
def spans(traced, worker_app) -> Any:
    """Call it with a result: it returns the attributes of the runs of its task."""
    traced.clear()

    def of_task(result: Any) -> list[dict[str, Any]]:
        return [
            {
                name.removeprefix("unique_task."): value
                for name, value in span.attributes.items()
                if name.startswith("unique_task.")
            }
            for span in traced.get_finished_spans()
            if span.attributes.get("messaging.message.id") == result.id
            and span.kind is trace.SpanKind.CONSUMER
        ]

    return of_task


def test_the_span_of_a_run_has_its_key_and_its_fence(spans, worker_app):
    task = task_of(worker_app)

    result = task.delay(7)
    value_of(result)

    [found] = wait_until(lambda: spans(result))
    assert found.pop("fence") > 0
    assert found == {"outcome": "ran", "key": key_of(task, 7), "owner": result.id}


def test_the_span_of_a_duplicate_has_what_became_of_it_and_of_whom(
    spans, worker_app, gate
):
    @worker_app.task(name="held")
    @unique(key=(), on_duplicate=skip())
    def held():
        gate.hold()

    first = held.delay()
    gate.wait_for_arrival()
    second = held.delay()
    value_of(second)
    gate.open()
    value_of(first)

    [found] = wait_until(lambda: spans(second))
    assert found == {"outcome": "answered", "key": key_of(held), "owner": first.id}


def test_the_spans_of_a_call_that_waited_say_for_how_long(spans, worker_app, gate):
    @worker_app.task(name="held")
    @unique(key=(), on_duplicate=retry(countdown=0.2, jitter=False))
    def held():
        gate.hold()

    first = held.delay()
    gate.wait_for_arrival()
    second = held.delay()
    waits = wait_until(lambda: spans(second))
    gate.open()
    value_of(first)
    value_of(second)

    assert waits[0]["outcome"] == "waits" and waits[0]["owner"] == first.id
    *_, last = wait_until(lambda: spans(second)[1:])
    assert last["outcome"] == "ran" and last["waited"] > 0.1


def test_a_duplicate_at_publish_is_an_event_of_the_callers_span(
    spans, worker_app, gate, traced
):
    @worker_app.task(name="published")
    @unique(key=(), lock="until_executed")
    def published():
        gate.hold()

    first = published.delay()
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        published.delay()
    gate.open()
    value_of(first)

    [event] = [one for one in getattr(span, "events") if "unique" in one.name]
    assert event.name == "unique_task.duplicate"
    assert dict(event.attributes) == {
        "unique_task.outcome": "dropped",
        "unique_task.key": key_of(published),
        "unique_task.owner": first.id,
        "unique_task.at": "publish",
    }


def test_a_lost_lock_is_an_event_of_the_span_of_its_run(spans, worker_app, traced):
    @worker_app.task(name="loser")
    @unique(key=())
    def loser():
        store_of(worker_app).release(key_of(loser), holder(loser).token)
        run_under(loser, owner="thief")
        return current_lock().extend(5)

    assert value_of(loser.delay()) is False

    def events() -> list[Any]:
        found = traced.get_finished_spans()
        return [event for span in found for event in span.events]

    [event] = wait_until(events)
    assert event.name == "unique_task.lock_lost"
    assert event.attributes["unique_task.loss"]
