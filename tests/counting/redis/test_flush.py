"""Counters on their way to a real Redis: what it costs, and what it survives."""

import pytest
from celery import Celery

from tests.counting.counted import counted
from tests.inprocess import make_app
from tests.programs import run_python
from tests.published_calls import task_of
from unique_task.counting.tally import tally

TIMES = 20

#: Publishes from a process and from a child of it; both end at once.
PUBLISH = """
import multiprocessing, sys
from celery import Celery
from unique_task import unique

app = Celery(broker="memory://")
app.conf.unique_backend = sys.argv[1]

@app.task(name="work")
@unique(lock="until_executed")
def work(): ...

def publish():
    for _ in range(5):
        work.delay()

publish()
child = multiprocessing.get_context("fork").Process(target=publish)
child.start()
child.join()
"""


def app_on(url: str) -> Celery:
    app = make_app(unique_backend=url, set_as_current=False)
    task_of(app)
    return app


def run_often(app: Celery) -> None:
    for _ in range(TIMES):
        app.tasks["work"]()


@pytest.fixture
def app(redis_proxy):
    with app_on(redis_proxy.url) as app:
        yield app


def test_a_run_asks_the_store_no_more_often_and_a_flush_once(app, redis_proxy):
    run_often(app)  # the scripts are loaded
    assert tally.flush(30)
    before = redis_proxy.requests

    run_often(app)
    assert redis_proxy.requests == before + 2 * TIMES

    assert tally.flush(30)
    assert redis_proxy.requests == before + 2 * TIMES + 1
    assert counted(app) == {"runs": 2 * TIMES}


def test_a_flush_whose_answer_is_lost_on_the_way_counts_once(app, redis_proxy):
    run_often(app)
    redis_proxy.swallow_replies(100)
    assert not tally.flush(30)
    redis_proxy.restore()

    assert counted(app) == {"runs": TIMES}


def test_what_is_counted_while_the_store_is_away_comes_when_it_is_back(own_redis):
    with app_on(own_redis.url) as app:
        run_often(app)
        own_redis.stop()
        assert not tally.flush(30)
        own_redis.start()

        assert counted(app) == {"runs": TIMES}


def test_a_process_that_publishes_and_ends_at_once_has_counted(redis_url):
    done = run_python(PUBLISH, redis_url, check=True)

    with app_on(redis_url) as app:
        assert counted(app) == {"duplicates.ignore.publish": 9}
    assert not done.stderr
