"""An app that knows nothing of the library, on the broker of the tests."""

import os

from celery import Celery

app = Celery("without", broker=os.environ["UNIQUE_TEST_BROKER"])
app.conf.broker_connection_retry_on_startup = True
