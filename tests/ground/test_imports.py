"""What a process imports with this library, beyond what it imports for Celery."""

import sys

import pytest

import unique_task
from tests.programs import run_python

#: Clients of stores, and what else only those import who use it.
ON_FIRST_USE = {
    "asyncio",
    "cachetools",
    "django",
    "flask",
    "hiredis",
    "opentelemetry",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pymemcache",
    "pymysql",
    "pytest",
    "redis",
    "sqlalchemy",
}

#: A process that makes an app and a task; then it prints what the code adds.
ADDED = """
import sys
from celery import Celery
app = Celery("shop", broker="memory://")
@app.task
def work(): ...
app.finalize()
before = set(sys.modules)
{code}
print(*sys.modules.keys() - before)
"""


def added_by(code: str) -> set[str]:
    """Return the modules that a fresh process imports for `code`, after Celery's."""
    done = run_python(ADDED.format(code=code), check=True)
    return set(done.stdout.split())


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_the_library_imports_no_client_before_it_is_used():
    added = packages(added_by("import unique_task, unique_task.recipes"))

    assert not added & ON_FIRST_USE


def test_a_guarded_task_imports_no_client_before_its_first_call():
    code = """
from unique_task import unique
app.conf.unique_backend = "redis://localhost"
@app.task
@unique
def guarded(a): ...
app.tasks
"""
    assert not packages(added_by(code)) & ON_FIRST_USE


def test_beside_its_own_the_library_adds_few_modules_of_celery_and_of_python():
    added = added_by("import unique_task")

    others = {name for name in added if not name.startswith("unique_task")}
    assert packages(others) <= {"celery", *sys.stdlib_module_names}
    assert len(others) <= 12, others


def test_a_backend_is_imported_by_its_name():
    assert "redis" in packages(added_by("from unique_task import RedisBackend"))


def test_threads_that_are_the_first_to_name_a_backend_get_one_class():
    code = """
import unique_task
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
barrier = Barrier(4)
def named(_):
    barrier.wait(10)
    return unique_task.RedisBackend
with ThreadPoolExecutor(4) as threads:
    assert len(set(threads.map(named, range(4)))) == 1
"""
    assert "redis" in packages(added_by(code))


@pytest.mark.parametrize("name", unique_task.__all__)
def test_each_public_name_can_be_imported(name):
    assert getattr(unique_task, name) is not None


def test_the_import_alone_does_not_import_the_guard():
    ours = {name for name in added_by("import unique_task") if "unique_task" in name}

    assert len(ours) <= 8, ours


def test_the_guard_is_imported_once_a_task_is_bound_so_that_no_run_imports_it():
    code = """
from unique_task import unique
@app.task
@unique
def guarded(): return set(sys.modules)
guarded.app.tasks
bound = set(sys.modules)
app.conf.unique_backend = "memory://"
guarded()
ours = {name for name in guarded() - bound if name.startswith("unique_task")}
assert all(name.startswith("unique_task.backends.") for name in ours), ours
"""
    added_by(code)


def test_binding_a_task_without_a_guard_hooks_its_runs():
    code = """
import unique_task
from celery import signals
from celery.app import trace
@app.task
def other(): ...
other.name
assert trace.ExceptionInfo.__module__ == "unique_task.running.ended_calls"
assert signals.task_unknown.receivers
"""
    added_by(code)


def test_a_guard_on_a_task_that_is_bound_already_hooks_its_runs():
    code = """
from unique_task import unique
from celery import signals
from celery.app import trace
unique(work)
assert trace.ExceptionInfo.__module__ == "unique_task.running.ended_calls"
assert signals.task_unknown.receivers
"""
    added_by(code)


def test_threads_that_are_the_first_to_publish_import_the_guard_once():
    code = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import unique_task
app.conf.broker_transport_options = {"polling_interval": 0.1}
barrier = Barrier(4)
def publish(_):
    barrier.wait(10)
    return app.send_task("elsewhere").id
with ThreadPoolExecutor(4) as threads:
    assert len(set(threads.map(publish, range(4)))) == 4
"""
    assert "unique_task.publishing.send_task" in added_by(code)


def test_dir_names_what_is_imported_on_first_use():
    assert set(unique_task.__all__) <= set(dir(unique_task))
