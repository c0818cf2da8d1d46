"""The wheel and the source distribution hold all that they should, and install."""

import os
import sys
import tarfile
from shutil import copyfile
from zipfile import ZipFile

import pytest

from tests.docs.test_links import SITE
from tests.docs.test_readme import README, ROOT, python_blocks
from tests.programs import run

pytestmark = pytest.mark.any_celery

CALL = "\nassert process_data.delay(7).id\nprint('sent')\n"


def tracked() -> list[str]:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    return listed.stdout.splitlines()


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The two files, built from a copy of what git has."""
    pytest.importorskip("build")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in tracked():
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            copyfile(ROOT / name, copy / name)
    run(sys.executable, "-m", "build", "--outdir", out, copy, check=True)
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def test_the_wheel_has_the_code_its_types_and_what_others_find_it_by(distributions):
    _, wheel = distributions
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [info] = [n for n in names if n.endswith("entry_points.txt")]
        found = archive.read(info).decode()
        [about] = [n for n in names if n.endswith("/METADATA")]
        metadata = archive.read(about).decode()

    code = {name for name in tracked() if name.startswith("unique_task/")}
    assert {n for n in names if ".dist-info/" not in n} == code
    assert "[celery.commands]" in found and "[pytest11]" in found
    assert any(name.endswith("LICENSE") for name in names)
    assert f"Project-URL: Documentation, {SITE}\n" in metadata


def test_the_source_distribution_has_what_a_packager_builds_and_tests(distributions):
    sdist, _ = distributions
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    missing = {name for name in tracked() if not name.startswith(".")} - names
    assert not missing


def test_the_description_is_one_that_the_index_shows(distributions):
    run(sys.executable, "-m", "twine", "check", "--strict", *distributions, check=True)


def test_the_first_example_runs_where_nothing_else_is_installed(
    distributions, redis_url, tmp_path
):
    _, wheel = distributions
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", tmp_path]
    run(*pip, wheel, check=True)
    code = python_blocks(README, redis_url)[0] + CALL

    # Without the packages of this environment.
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = run(sys.executable, "-S", "-c", code, cwd=tmp_path, env=env)

    assert (done.stdout, done.returncode) == ("sent\n", 0), done.stderr
