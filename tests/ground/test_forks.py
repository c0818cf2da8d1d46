"""Functions that run in forked processes, and systems without forks."""

from tests.forking import in_fork
from tests.programs import run_python
from unique_task.forks import in_forks


def test_a_function_is_called_in_each_fork():
    calls: list[str] = []
    in_forks(lambda: calls.append("forked"))

    assert in_fork(lambda: calls) == ["forked"]
    assert calls == []


def test_tasks_can_be_published_where_nothing_is_forked():
    code = "import os; del os.fork, os.register_at_fork; import unique_task"

    run_python(code, check=True)
