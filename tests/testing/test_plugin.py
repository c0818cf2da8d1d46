"""The plugin of pytest: a fixture, a marker, and a warning."""

from configparser import ConfigParser
from importlib import import_module
from textwrap import dedent

import pytest

from tests.docs.test_readme import ROOT
from tests.testing.projects import DJANGO_PROJECT, run_module, run_pytest, write

pytestmark = pytest.mark.any_celery

SHOP = """
    from celery import Celery
    from unique_task import unique

    app = Celery("shop", broker="memory://")
    app.conf.update(task_always_eager=True, unique_backend="{store}")

    @app.task
    @unique(lock="until_expired", on_duplicate="raise")
    def charge(order_id):
        return order_id
"""


@pytest.fixture
def run_tests(tmp_path):
    """Run tests of a project with pytest, in a process of their own."""

    def run_tests(code, *options, store="redis://nowhere.invalid/0"):
        files = {"shop.py": SHOP.format(store=store), "test_it.py": code}
        write(tmp_path, {name: dedent(text) for name, text in files.items()})
        return run_pytest(tmp_path, "-p", "no:django", *options)

    return run_tests


def test_pytest_finds_the_plugin_by_itself():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    [line] = config["options.entry_points"]["pytest11"].split("\n")[1:]
    name, _, module = line.partition(" = ")

    assert name == "unique_task"
    assert hasattr(import_module(module), "unique_store")


def test_each_test_has_a_store_of_its_own_and_a_marker_for_guards(run_tests):
    code = """
        import pytest
        from shop import charge

        @pytest.mark.parametrize("time", range(2))
        def test_fresh(unique_store, time):
            assert charge(1) == 1

        @pytest.mark.unique_task(enabled=False)
        def test_off(unique_store):
            with unique_store.hold(charge, 1):
                assert charge(1) == 1

        @pytest.mark.unique_task(enabled=False)
        class TestOn:
            @pytest.mark.unique_task(enabled=True)
            def test_the_inner_marker_counts(self, unique_store):
                with unique_store.hold(charge, 1), pytest.raises(Exception):
                    charge(1)

        @pytest.mark.unique_task(False)
        def test_wrong():
            pass
    """

    output = run_tests(code)

    assert "4 passed, 1 error" in output
    assert "give enabled=True or enabled=False" in output


def test_locks_in_a_shared_store_are_warned_of_once(run_tests, tmp_path):
    code = """
        from shop import charge

        def test_one():
            assert charge.delay(1).get() == 1

        def test_other():
            assert charge.delay(2).get() == 2
    """
    store = f"sqlite:///{tmp_path}/locks.db"

    output = run_tests(code, "-W", "default", store=store)

    assert "2 passed, 1 warning" in output
    assert "SharedStoreWarning: an eager task of this test run" in output
    assert store in output and "unique_store" in output
    assert "ignore unique_task.testing.SharedStoreWarning" in output


def test_those_of_a_test_run_of_django_are_warned_of_once_too(tmp_path):
    store = f"sqlite:///{tmp_path}/locks.db"
    more = f"""
INSTALLED_APPS.append("unique_task.django")
CELERY_TASK_ALWAYS_EAGER = True
CELERY_UNIQUE_BACKEND = "{store}"
"""
    settings = DJANGO_PROJECT["shop/settings.py"] + more
    tests = """
from celery import shared_task
from django.test import SimpleTestCase
from unique_task import unique

@shared_task
@unique
def charge(order_id):
    return order_id

class ChargeTest(SimpleTestCase):
    def test_one(self):
        self.assertEqual(charge.delay(1).get(), 1)

    def test_other(self):
        self.assertEqual(charge.delay(2).get(), 2)
"""
    files = {"shop/settings.py": settings, "orders/tests.py": tests}
    write(tmp_path, {**DJANGO_PROJECT, **files})

    output = run_module(tmp_path, "django", "test", "--settings", "shop.settings")

    assert "Ran 2 tests" in output and "OK" in output, output
    assert output.count("SharedStoreWarning: an eager task") == 1, output
    assert store in output


@pytest.mark.parametrize("store", ["memory://", "sqlite:///{folder}/locks.db"])
def test_a_test_with_locks_of_its_own_is_not_warned_of(run_tests, tmp_path, store):
    fixture = "" if store == "memory://" else "unique_store"
    code = f"""
        from shop import charge

        def test_one({fixture}):
            assert charge.delay(1).get() == 1
    """

    output = run_tests(code, store=store.format(folder=tmp_path))

    assert "1 passed" in output
