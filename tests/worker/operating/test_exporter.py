"""The metrics of real workers, as an exporter beside them serves them."""

import signal
import subprocess
from urllib.request import urlopen

import pytest

from tests.counting.counted import flushed
from tests.metrics.store import values_in
from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks_waiting import EARLY as IN_LINE
from unique_task.counting import names
from unique_task.counting.tally import count
from unique_task.operating.app_tasks import stores_of

pytestmark = [
    *(pytest.mark.worker, pytest.mark.any_celery),
    pytest.mark.usefixtures("worker"),
]


def test_the_exporter_serves_what_is_counted_held_and_waited_for(unique, witness, key):
    words = ["exporter", "--port", "0", "--timeout", "0.5"]
    with unique.started(*words, stdout=subprocess.PIPE, text=True) as exporter:
        word, url = exporter.stdout.readline().split()
        assert word == "metrics:"

        def value(name: str) -> float | None:
            with urlopen(url, timeout=30) as page:
                found = values_in(page.read().decode())
            return found.get(name % IN_LINE.name)

        assert value("unique_task_runs_total{task=%s}") == 0
        results = [IN_LINE.delay(key, number) for number in (1, 2)]
        wait_until(lambda: value("unique_task_waiting{task=%s}") == 1, 60)
        assert value("unique_task_locks{state=running,task=%s}") == 1
        witness.open(key)
        for result in results:
            result.get(timeout=60)

        # As another process does.
        [backend] = stores_of(app).values()
        count(backend, IN_LINE.name, names.LOST)
        assert flushed()
        assert value("unique_task_lost_total{task=%s}") == 1

        exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(30) == 0
