"""Type checkers see through ``@unique``."""

import json
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
from celery import Celery

from tests.programs import run
from unique_task import ConfigurationError, guarded
from unique_task.options.lock_types import LOCK_TYPES
from unique_task.options.option_types import LockName, PolicyName
from unique_task.options.policy_names import POLICIES

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
    lines = enumerate(source().splitlines(), 1)
    ignored = [(n, re.search(r"# type: ignore\[(.+)\]", line)) for n, line in lines]

    output, _, _ = mypy(shown(tmp_path))

    # An error of an overload comes once more for each form that nearly fits.
    found = re.findall(r"^.+:(\d+): error: .*\[(.+)\]", output, re.MULTILINE)
    assert set(found) == {(str(n), match[1]) for n, match in ignored if match}


def test_pyright_complains_of_the_same_lines(tmp_path):
    pytest.importorskip("pyright")
    lines = source().splitlines()
    wrong = {n for n, line in enumerate(lines) if "# type: ignore" in line}
    options = {"include": [shown(tmp_path).name], "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(options))

    done = run(
        *(sys.executable, "-m", "pyright", "--outputjson"),
        *("--pythonpath", sys.executable, "--project", tmp_path),
    )

    found = json.loads(done.stdout)["generalDiagnostics"]
    assert {error["range"]["start"]["line"] for error in found} == wrong


def source() -> str:
    return (ROOT / EXAMPLES).read_text()


def shown(folder: Path) -> Path:
    """Return a copy of the examples whose errors nothing hides."""
    copy = folder / "shown.py"
    copy.write_text(re.sub(r"  # type: ignore.*", "", source()))
    return copy


def test_names_are_known_to_type_checkers_and_at_run_time():
    assert set(get_args(LockName)) == set(LOCK_TYPES)
    names = [get_args(part) for part in get_args(PolicyName)]
    assert {name for part in names for name in part} == set(POLICIES)


def test_a_view_of_a_task_without_a_guard_is_refused():
    app = Celery("plain", set_as_current=False)

    @app.task(name="plain")
    def plain(): ...

    with pytest.raises(ConfigurationError, match=r"guarded\(plain\): .* no @unique"):
        guarded(plain)
