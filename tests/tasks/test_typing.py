"""Type checkers see through ``@unique``."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_celery

ROOT = Path(__file__).parents[2]
EXAMPLES = "tests/tasks/typing_examples.py"


@pytest.fixture
def mypy(monkeypatch):
    """Run mypy, strict, as the repository configures it, on one file alone."""
    monkeypatch.chdir(ROOT)
    run = pytest.importorskip("mypy.api").run
    options = ["--config-file", "setup.cfg", "--follow-imports", "silent"]
    return lambda path: run([*options, str(path)])


def test_a_guarded_function_keeps_its_parameters_and_its_result(mypy):
    output, errors, status = mypy(EXAMPLES)

    assert (errors, status) == ("", 0), output


def test_every_wrong_call_is_an_error_of_its_own(mypy, tmp_path):
    source = (ROOT / EXAMPLES).read_text()
    expected = re.findall(r"# type: ignore\[(.+)\]", source)
    shown = tmp_path / "shown.py"
    shown.write_text(re.sub(r"  # type: ignore.*", "", source))

    output, _, _ = mypy(shown)

    assert re.findall(r"error: .*\[(.+)\]", output) == expected
