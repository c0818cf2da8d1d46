"""Every celery command imports the module of our commands, so it has to be light."""

import pytest

from tests.ground.test_imports import ON_FIRST_USE, packages
from tests.programs import run_python

pytestmark = pytest.mark.any_celery

#: A process that has what every ``celery`` command has, and then imports ours.
ADDED = """
import sys
import celery.bin.celery
before = set(sys.modules)
import unique_task.cli
print(*sys.modules.keys() - before)
"""


def test_it_imports_no_operation_no_guard_and_no_client():
    added = set(run_python(ADDED, check=True).stdout.split())

    ours = {name for name in added if name.startswith("unique_task")}
    assert len(ours) <= 12, ours
    assert not any("operating" in name or "backends" in name for name in ours)
    assert not packages(added) & ON_FIRST_USE
