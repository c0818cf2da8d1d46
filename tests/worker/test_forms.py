"""Each form in which a task can be guarded lets one of two equal calls run."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks_forms import HAS_PYDANTIC

pytestmark = pytest.mark.worker

TIMEOUT = 20

FORMS = [
    *("bare", "called", "made_at_once", "shared", "bound", "autoretrying"),
    *("above", "above_with_options", "above_made_at_once", "above_shared"),
    *("above_bound", "above_autoretrying", "annotated", "above_annotated"),
    *("class_based", "unique_class", "of_base", "of_own_base"),
]
VALIDATED = ["validated", "above_validated"] if HAS_PYDANTIC else []


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker()


@pytest.fixture
def one_runs(witness, key):
    """Two equal calls of a task by this name: the second is a duplicate."""

    def check(form, *args, **kwargs):
        task = app.tasks[f"tests.worker.tasks_forms.{form}"]
        leader = task.apply_async(args, kwargs)
        wait_until(lambda: witness.runs(key) == 1)
        duplicate = task.apply_async(args, kwargs)
        with pytest.raises(TaskRevokedError, match=leader.id):
            duplicate.get(timeout=TIMEOUT)
        witness.open(key)
        assert leader.get(timeout=TIMEOUT) is None
        assert witness.runs(key) == 1

    yield check
    witness.open(key)


@pytest.mark.parametrize("form", FORMS + VALIDATED)
def test_of_two_equal_calls_one_runs(one_runs, key, form):
    one_runs(form, key, **({"order": {"key": key}} if form in VALIDATED else {}))


@pytest.mark.parametrize("form", ["annotated", "above_annotated"])
def test_an_annotation_of_run_is_kept_beside_the_guard(one_runs, witness, key, form):
    one_runs(form, key)

    assert witness.noted(f"annotation {key}")
