"""``pip install unique_task`` installs all that the README's first example needs."""

from configparser import ConfigParser
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.test_readme import README, ROOT, python_blocks
from tests.programs import run_python

pytestmark = pytest.mark.any_celery

# Hides the packages that are installed for other tests only.
BARE = """
import sys
from importlib.metadata import packages_distributions

class Besides:
    def find_spec(self, name, path=None, target=None):
        owners = packages.get(name.partition(".")[0], [])
        names = {owner.lower().replace("_", "-") for owner in owners}
        if names and not allowed & names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

allowed = set(sys.argv[1].split())
packages = packages_distributions()
sys.meta_path.insert(0, Besides())
"""

CALL = "\nassert process_data.delay(7).id\nprint('sent')\n"


def closure_of(texts: list[str]) -> set[str]:
    """The distributions that pip installs for these requirements."""
    found: set[tuple[str, str]] = set()
    todo = [(Requirement(text), "") for text in texts]
    while todo:
        wanted, extra = todo.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) not in found:
                found.add((name, extra))
                todo += [(Requirement(text), extra) for text in requires(name) or []]
    return {name for name, _ in found}


def test_the_first_example_runs_with_what_is_installed_along(redis_url):
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    along = {"unique-task", *closure_of(required)}

    code = BARE + python_blocks(README, redis_url)[0] + CALL
    done = run_python(code, " ".join(along))

    assert (done.stdout, done.returncode) == ("sent\n", 0), done.stderr
