"""The page on testing shows tests that pass, as a project would run them."""

import pytest

from tests.docs.test_readme import DOCS, python_blocks
from tests.testing.projects import (
    CELERY,
    DJANGO,
    DJANGO_PROJECT,
    run_module,
    run_pytest,
    write,
)

#: Where the code of the page stands in a project, in the order of the page.
FILES = [
    *("shop.py", "test_1.py", "test_2.py", "test_3.py", "conftest.py"),
    "test_unittest.py",
    *("orders/tasks.py", "orders/test_pytest.py", "orders/tests.py"),
    *("shared.py", "test_shared.py"),
]

#: What the page does not show: other classes of Django's, and other ways to them.
OF_DJANGO = """
import pytest
from django.db import transaction
from django.test import SimpleTestCase, TransactionTestCase, override_settings
from orders.models import Order
from orders.tasks import charge
from unique_task.testing import fresh_store, guards

class TransactionTest(TransactionTestCase):
    @override_settings(CELERY_TASK_ALWAYS_EAGER=True)
    def test_on_commit(self):
        order = Order.objects.create()
        with fresh_store() as store, store.hold(charge, order.id):
            with transaction.atomic():
                charge.delay_on_commit(order.id)
                assert not store.duplicates(charge)
            assert len(store.duplicates(charge)) == 1

@pytest.mark.unique_task(enabled=False)
@pytest.mark.usefixtures("unique_store")
class SimpleTest(SimpleTestCase):
    def test_a_marker_holds_for_a_class(self):
        with fresh_store() as store, store.hold(charge, 1):
            with guards(True):
                charge.apply((1,))
            with self.assertRaisesMessage(Exception, "Database"):
                charge.apply((1,), throw=True)
        assert len(store.duplicates(charge)) == 1

@pytest.mark.django_db(transaction=True)
def test_settings_hold_for_the_next_call(order, settings, unique_store):
    settings.CELERY_UNIQUE_ON_DUPLICATE = "raise"
    with unique_store.hold(charge, order.id), pytest.raises(Exception) as raised:
        charge.delay(order.id).get()
    assert raised.typename == "DuplicateTaskError"
"""

#: A worker for one test, a task of its app, and eager tasks.
OF_CELERY = """
import pytest
from celery.exceptions import TaskRevokedError
from shared import charge
from unique_task import unique

@pytest.fixture(autouse=True)
def current(celery_app):
    celery_app.set_current()

def test_own(celery_app, celery_worker, unique_store):
    @celery_app.task
    @unique(key="{number}")
    def own(number):
        return number

    celery_worker.reload()
    with unique_store.hold(own, 7), pytest.raises(TaskRevokedError):
        own.delay(7).get(timeout=10)
    assert own.delay(7).get(timeout=10) == 7

@pytest.mark.celery(task_always_eager=True)
def test_eager(unique_store):
    with unique_store.hold(charge, 7):
        charge.delay(7)
    assert len(unique_store.duplicates(charge)) == 1

@pytest.mark.celery(task_always_eager=True, unique_enabled=False)
def test_off(unique_store):
    with unique_store.hold(charge, 7):
        assert charge.delay(7).get() == "charged 7"
"""


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    found = python_blocks(DOCS / "testing.rst", "redis://localhost/0")
    return dict(zip(FILES, found, strict=True))


def test_those_of_functions_and_of_classes(blocks, tmp_path):
    parts = [blocks.pop(name) for name in ("test_1.py", "test_2.py", "test_3.py")]
    names = ("shop.py", "conftest.py", "test_unittest.py")
    write(tmp_path, {name: blocks[name] for name in names})
    write(tmp_path, {"test_shop.py": "\n".join(parts)})

    output = run_pytest(tmp_path, "-p", "no:django")

    assert "6 passed" in output, output


def test_those_of_unittest_without_pytest(blocks, tmp_path):
    write(tmp_path, {name: blocks[name] for name in ("shop.py", "test_unittest.py")})

    output = run_module(tmp_path, "unittest")

    assert "Ran 2 tests" in output and "OK" in output, output


@pytest.mark.any_celery
def test_those_of_django(blocks, tmp_path):
    names = ("orders/tasks.py", "orders/test_pytest.py", "orders/tests.py")
    write(tmp_path, {**DJANGO_PROJECT, **{name: blocks[name] for name in names}})
    # It uses a fixture of the page.
    with (tmp_path / names[1]).open("a") as file:
        file.write(OF_DJANGO)

    output = run_pytest(tmp_path, *DJANGO, *names[1:])
    words = ("django", "test", "orders.tests", "--settings", "shop.settings")
    alone = run_module(tmp_path, *words)

    assert "7 passed" in output, output
    assert "Ran 1 test" in alone and "OK" in alone, alone


def test_those_with_the_worker_of_celery(blocks, tmp_path):
    write(tmp_path, {name: blocks[name] for name in ("shared.py", "test_shared.py")})
    # Before the others: their worker would take the messages.
    write(tmp_path, {"test_first.py": OF_CELERY})

    output = run_pytest(tmp_path, *CELERY, "-W", "ignore::DeprecationWarning")

    assert "5 passed" in output, output
