"""The README shows what the backends declare."""

from tests.stores_table import README, STORES, readme_of
from unique_task.backends import BACKENDS, backend_class


def test_the_readme_shows_the_table():
    text = README.read_text()

    assert text == readme_of(text), "the table has changed: run `make stores`"


def test_every_scheme_is_in_the_table():
    names = " ".join(STORES)

    for scheme in BACKENDS:
        assert f"``{scheme}:" in names


def test_every_backend_declares_what_it_promises():
    for scheme in BACKENDS:
        assert backend_class(f"{scheme}://").promises.clock
