"""The page on stores shows the promises of the backends."""

import pytest

from tests.docs.stores_table import PAGE, STORES, page_of
from unique_task.backends.promises import Promises
from unique_task.backends.registry import BACKENDS, backend_class
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.promises import PROMISES

pytestmark = pytest.mark.any_celery


def test_the_page_shows_the_table():
    text = PAGE.read_text()

    assert text == page_of(text), "the table has changed: run `make stores`"


def test_every_scheme_is_in_the_table():
    names = " ".join(STORES)

    for scheme in BACKENDS:
        assert f"``{scheme}:" in names


def declared(scheme: str) -> Promises | None:
    """The promises of the class itself, or of the kind of database."""
    kind = backend_class(f"{scheme}://")
    if kind is SQLBackend:
        return PROMISES.get("mysql" if scheme == "mariadb" else scheme)
    return vars(kind).get("promises")


@pytest.mark.parametrize("scheme", BACKENDS)
def test_every_backend_declares_what_it_promises(scheme):
    assert isinstance(declared(scheme), Promises)
