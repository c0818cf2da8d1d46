"""The page on testing shows tests that pass, as a project would run them."""

import os
import sys

from tests.docs.test_readme import ROOT, python_blocks
from tests.programs import run
from tests.testing.test_plugin import PLUGIN

PAGE = ROOT / "docs" / "testing.rst"


def test_the_tests_on_the_page_pass(tmp_path):
    shop, pytest_1, pytest_2, pytest_3, conftest, unittest = python_blocks(
        PAGE, "redis://localhost/0"
    )
    (tmp_path / "shop.py").write_text(shop)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_shop.py").write_text("\n".join([pytest_1, pytest_2, pytest_3]))
    (tmp_path / "test_unittest.py").write_text(unittest)

    done = run(
        *(sys.executable, "-m", "pytest", "-q", *PLUGIN),
        *("-W", "error", tmp_path),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert "6 passed" in done.stdout, done.stdout
