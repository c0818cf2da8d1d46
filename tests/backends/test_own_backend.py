"""A backend of another package: as its page has it, found by its scheme, and tested."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_readme import ROOT, literal_blocks

PAGE = ROOT / "docs" / "backends.rst"

#: Parts of the contract that take no long time.
CONTRACT = ["test_contract.py", "test_contract_values.py", "test_contract_restored.py"]

USE = """
from unique_task.backends import known_schemes, open_backend
from unique_task.backends.record import Record
from folder_locks import empty_store
backend = open_backend(empty_store(), timeout=2)
print("folder" in known_schemes(), backend.acquire("key", Record("a/0/0//b"), 10).fence)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With the package that the page describes, as if it were installed."""
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


def test_it_is_found_by_its_scheme(environment):
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )

    found, fence = done.stdout.split()
    assert found == "True"
    assert int(fence) > 1e15


def test_it_passes_the_contract(environment):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"),
            *(f"tests/backends/{name}" for name in CONTRACT),
        ],
        env={**environment, "UNIQUE_TEST_STORE": "folder_locks:empty_store"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
