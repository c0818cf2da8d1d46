import os

import pytest

from tests.forking import Fork, in_fork

pytestmark = pytest.mark.any_celery


def test_the_function_runs_in_a_child():
    assert in_fork(os.getppid) == os.getpid()


def test_the_child_sees_what_the_parent_had():
    found = {"of": "the parent"}

    assert in_fork(lambda: found) == found


def test_the_parent_goes_on_beside_the_child():
    one, two = Fork(os.getpid), Fork(os.getpid)

    assert len({one.result(), two.result(), os.getpid()}) == 3


def test_a_child_that_fails_fails_the_test():
    with pytest.raises(AssertionError, match="its stderr says why"):
        in_fork(lambda: 1 / 0)
