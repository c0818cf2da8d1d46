"""The point of it all: equal runs never overlap, whatever pool they are in."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import chain, cycle, islice
from multiprocessing import get_context
from uuid import uuid4

import pytest

from tests.waiting import wait_until
from tests.worker.app import app, configure
from tests.worker.conftest import starter
from tests.worker.tasks import meet, run_later, run_or_not

pytestmark = pytest.mark.worker

#: Per publisher. A third of the triggers run in any case, the rest if nothing runs.
TRIGGERS = 150
PUBLISHERS = 2
KEYS = 4


# Not eventlet: gevent stands for both, and two workers of it take long to end.
@pytest.fixture(
    scope="module", params=["prefork", "threads", "gevent", "solo"], autouse=True
)
def two_workers(request, module_urls, tmp_path_factory):
    with starter(tmp_path_factory.mktemp(request.param), module_urls) as start:
        options = {"pool": request.param, "concurrency": 4}
        with ThreadPoolExecutor() as threads:
            starts = [threads.submit(start, **options) for _ in range(2)]
        yield [start.result() for start in starts]


@pytest.fixture(scope="module")
def publishers():
    """Processes that publish."""
    # Not forked: they would have the connections of this one.
    context = get_context("spawn")
    with ProcessPoolExecutor(PUBLISHERS, context) as processes:
        yield processes


def publish(urls: dict[str, str], keys: list[str]) -> list[str]:
    """Trigger each task for each key in turn; return the ids."""
    configure(**urls)
    # Each key twice in a row, so that two workers meet.
    pairs = chain.from_iterable((key, key) for key in cycle(keys))
    calls = zip(cycle([run_later, run_or_not, run_or_not]), pairs)
    return [task.delay(key).id for task, key in islice(calls, TRIGGERS)]


def test_equal_runs_never_overlap(publishers, module_urls, witness):
    keys = [uuid4().hex for _ in range(KEYS)]

    ids = [publishers.submit(publish, module_urls, keys) for _ in range(PUBLISHERS)]

    published = chain.from_iterable(each.result() for each in ids)
    results = [app.AsyncResult(task_id) for task_id in published]
    wait_until(lambda: all(result.ready() for result in results), timeout=120)
    assert [witness.most_at_once(key) for key in keys] == [1] * KEYS
    states = [result.state for result in results]
    assert len(states) == PUBLISHERS * TRIGGERS
    assert set(states) == {"SUCCESS", "REVOKED"}
    assert states.count("SUCCESS") >= PUBLISHERS * TRIGGERS / 3
    assert sum(map(witness.runs, keys)) == states.count("SUCCESS")


def test_the_witness_sees_an_overlap_where_there_is_no_guard(witness, key):
    # So many that no worker can have fetched them all.
    results = [meet.delay(key) for _ in range(20)]

    wait_until(lambda: all(result.ready() for result in results), timeout=60)

    assert witness.runs(key) == 20
    assert witness.most_at_once(key) > 1
