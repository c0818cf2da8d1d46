"""The names of counters, which processes of all versions share."""

from typing import Any

import pytest

from unique_task import cached, replace, retry, skip
from unique_task.counting import names
from unique_task.options.policies import fail, ignore, kind_of

pytestmark = pytest.mark.any_celery


def test_these_are_the_names_of_version_0_1():
    assert (
        *(names.RUNS, names.HELD_SECONDS, names.LOST, names.STORE_ERRORS),
        *(names.WAITS, names.WAITED, names.WAITED_SECONDS),
        *(names.REPLACED, names.CACHED),
        *(names.duplicates("ignore", "run"), names.shadow("retry", "publish")),
    ) == (
        *("runs", "held_seconds", "lost", "store_errors"),
        *("waits", "waited", "waited_seconds"),
        *("replaced", "cached"),
        *("duplicates.ignore.run", "shadow.retry.publish"),
    )


@pytest.mark.parametrize(
    "policy, kind",
    [
        (ignore, "ignore"),
        (skip("value"), "skip"),
        (skip([]), "skip"),  # which has no hash
        (cached(60), "cached"),
        (retry(countdown=5), "retry"),
        (fail, "raise"),
        (replace(max_wait=5), "replace"),
        (print, "callable"),
    ],
)
def test_a_policy_has_the_name_that_users_write(policy: Any, kind: str):
    assert kind_of(policy) == kind


def test_names_of_a_newer_version_do_no_harm():
    amounts = {"duplicates.ignore.run": 1.0, "duplicates.a.b.c": 2.0, "new": 3.0}

    assert names.duplicates_in(amounts) == {("ignore", "run"): 1.0}
