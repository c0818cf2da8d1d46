"""A backend of another package, as docs/backends.rst has it, found by its scheme."""

import os
import sys
from pathlib import Path

import pytest

from tests.docs.test_readme import ROOT, literal_blocks
from tests.programs import run, run_python

PAGE = ROOT / "docs" / "backends.rst"

#: Parts of the contract that take no long time.
CONTRACT = ["test_contract.py", "test_contract_values.py", "test_contract_restored.py"]

USE = """
from unique_task.backends.registry import known_schemes, open_backend
from unique_task.backends.record import Record
from folder_locks import empty_store
backend = open_backend(empty_store(), timeout=2)
print("folder" in known_schemes(), backend.acquire("key", Record("a/0/0//b"), 10).fence)
"""

#: While another has the folder.
WAIT = """
import fcntl, time
from folder_locks import FOLDER, FolderBackend, empty_store
from unique_task import LockStoreError
empty_store()
with open(FOLDER / "lock", "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    started = time.monotonic()
    try:
        FolderBackend(FOLDER, timeout=0.2).get("key")
    except LockStoreError:
        print(time.monotonic() - started)
"""

END = """
import time
from folder_locks import FOLDER, FolderBackend, empty_store
from unique_task.backends.record import Record
empty_store()
backend = FolderBackend(FOLDER)
backend.acquire("key", Record("a/0/0//b"), 0.01)
time.sleep(0.02)
backend.get("key")
print(*[file.read_text() for file in FOLDER.iterdir()])
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with the package of the page, as if it were installed."""
    code, points = [], ""
    for block in literal_blocks(PAGE):
        if "python" in block["classes"]:
            code.append(block.astext())
        elif "ini" in block["classes"]:
            points = block.astext()
    (tmp_path / "folder_locks.py").write_text("\n".join(code))
    info = tmp_path / "folder_locks-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: folder_locks\n")
    group, _, entry = points.partition("unique_task.backends =")
    assert group.strip() == "[options.entry_points]"
    text = f"[unique_task.backends]\n{entry.strip()}\n"
    (info / "entry_points.txt").write_text(text)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}


def output_of(code: str, environment: dict[str, str]) -> str:
    """The output of the code where the package is installed."""
    return run_python(code, env=environment, check=True).stdout


def test_it_is_found_by_its_scheme(environment):
    found, fence = output_of(USE, environment).split()

    assert found == "True"
    assert int(fence) > 1e15


def test_it_waits_no_longer_than_an_operation_may_take(environment):
    assert 0.2 < float(output_of(WAIT, environment)) < 1


def test_it_keeps_nothing_that_is_over(environment):
    assert output_of(END, environment).split() == ["{}"]


def test_it_passes_the_contract(environment):
    done = run(
        *(sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"),
        *(f"tests/backends/{name}" for name in CONTRACT),
        env={**environment, "UNIQUE_TEST_STORE": "folder_locks:empty_store"},
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
