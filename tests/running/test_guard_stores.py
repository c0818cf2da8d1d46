"""Which tasks share their locks: by namespace, by app, by store."""

import pytest

from tests.held_lock import held_lock
from tests.inprocess import make_app
from unique_task import (
    ConfigurationError,
    DuplicateTaskError,
    MemoryBackend,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"


def test_tasks_of_one_namespace_share_their_locks(app, gate):
    @app.task
    @unique(namespace="account", key="{account}")
    def pay(account):
        gate.hold()

    @app.task
    @unique(namespace="account", key=["owner"])
    def close(owner):
        gate.hold()

    with gate.holding(pay, 1):
        assert close(1) is None


def test_tasks_without_a_namespace_share_no_lock(app, gate):
    @app.task
    @unique
    def pay(account):
        gate.hold()

    @app.task
    @unique
    def close(account):
        gate.hold()

    with gate.holding(pay, 1), gate.holding(close, 1):
        pass


def test_apps_with_stores_of_their_own_do_not_meet(app, gate):
    @unique
    def work():
        gate.hold()

    with make_app() as other:
        ours, theirs = app.task(work), other.task(work)

        with gate.holding(ours), gate.holding(theirs):
            pass


def test_apps_that_share_a_store_share_the_locks_of_a_task(app, gate):
    @unique
    def work():
        gate.hold()

    with make_app(unique_backend=app.conf.unique_backend) as other:
        ours, theirs = app.task(work), other.task(work)

        with gate.holding(ours):
            assert theirs() is None


def test_a_run_function_called_by_itself_uses_the_store_of_its_own_app(app):
    @unique
    def work():
        return held_lock().backend

    with make_app() as other:
        ours, theirs = app.task(work), other.task(work)
        app.finalize()
        other.finalize()

        assert ours.run() is app.conf.unique_backend
        assert theirs.run() is other.conf.unique_backend


def test_a_backend_object_of_the_task_wins_over_the_apps(app):
    own = MemoryBackend()

    @app.task
    @unique(backend=own)
    def work():
        return own.get(held_lock().key)

    assert work().record.task == work.name


def test_a_backend_url_of_the_task_wins_over_the_apps(app, gate):
    app.conf.unique_backend = "no-such-scheme://"

    @app.task
    @unique(backend="memory://")
    def work():
        gate.hold()

    with gate.holding(work):
        assert work() is None


def test_without_a_store_the_error_of_a_direct_call_names_the_setting(app):
    app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")

    @app.task
    @unique
    def work():
        raise AssertionError("ran without a lock")

    with pytest.raises(ConfigurationError, match="Set unique_backend"):
        work()


def test_without_a_store_an_eager_call_locks_in_memory(app, gate):
    app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")

    @app.task
    @unique(on_duplicate="raise")
    def work():
        gate.hold()

    with gate.holding(work.apply):
        assert isinstance(work.apply().result, DuplicateTaskError)
