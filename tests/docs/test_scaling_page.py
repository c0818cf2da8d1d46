"""The page on scaling has the numbers that Redis counts."""

import pytest

from tests.docs.scaling_measure import figures
from tests.docs.scaling_table import MEASURED, PAGE, REDELIVERY, page_of

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

#: Process ids have more digits and fewer, and Redis rounds what it allocates.
NEARLY = 0.03


def test_the_page_shows_the_tables():
    text = PAGE.read_text()

    assert text == page_of(text), "the tables have changed: run `make scaling`"


@pytest.mark.parametrize(("lock", "late"), MEASURED)
def test_a_call_takes_what_the_page_says(app, redis_url, redis_server, lock, late):
    app.conf.update(unique_backend=redis_url, unique_redelivery=REDELIVERY)
    app.conf.task_ignore_result = True

    found, said = (
        figures(app, redis_server, lock=lock, acks_late=late),
        MEASURED[lock, late],
    )

    assert found[:3] == said[:3]
    assert found[3:] == pytest.approx(said[3:], rel=NEARLY)
