"""The app of the worker tests, in a worker that is traced: by Sentry, OpenTelemetry."""

import sentry_sdk
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.transport import Transport

from tests.worker.app import app
from unique_task.opentelemetry import annotate_spans

__all__ = ["app"]


class Nowhere(Transport):
    """Sends nothing: there is no network."""

    def capture_envelope(self, envelope: Envelope) -> None: ...


sentry_sdk.init(
    dsn="http://key@localhost/1",
    transport=Nowhere,
    traces_sample_rate=1.0,
    default_integrations=False,
    integrations=[CeleryIntegration()],
)
CeleryInstrumentor().instrument(  # type: ignore[no-untyped-call]
    tracer_provider=TracerProvider()
)
annotate_spans()
