"""The page on Django: a project that is made as it says, with the code that it has."""

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.docs.test_readme import DOCS, ROOT, python_blocks
from tests.programs import run, unmeasured

pytestmark = pytest.mark.any_celery

PAGE = DOCS / "django.rst"

#: What is typed, and does not stand in a file.
SHELL = "manage.py shell"


@pytest.fixture(scope="module")
def blocks(redis_server) -> dict[str, str]:
    """The code of the page, by the files that their first lines name."""
    redis_server.client.flushall()
    found: defaultdict[str, str] = defaultdict(str)
    for block in python_blocks(PAGE, redis_server.url):
        place, _, code = block.partition("\n")
        assert place.startswith("# "), block
        found[place.removeprefix("# ")] += f"{code}\n"
    return found


@pytest.fixture(scope="module")
def project(blocks, tmp_path_factory) -> Path:
    """A new project of Django's, with the code of the page."""
    folder: Path = tmp_path_factory.mktemp("project")
    run(sys.executable, "-m", "django", "startproject", "proj", folder, check=True)
    manage(folder, "startapp", "orders")
    for place, code in blocks.items():
        if place != SHELL:
            with (folder / place).open("a") as file:
                file.write(code)
    manage(folder, "migrate", "--verbosity", "0")
    return folder


def manage(folder: Path, *words: str) -> str:
    """Run a command of the project; return what it has printed, also as errors."""
    env = {**unmeasured(), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    command = (sys.executable, "manage.py", *words)
    done = run(*command, check=True, cwd=folder, env=env)
    return done.stdout + done.stderr


def test_the_checks_find_nothing(project):
    assert "no issues" in manage(project, "check", "--fail-level", "WARNING")


def test_the_tests_pass(project):
    assert "Ran 1 test" in manage(project, "test")


#: After what is typed into a shell: a view has published, and both sites show it.
LOOK = """
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from orders.views import place

print(place(RequestFactory().post("/"), 8).status_code)
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.create_superuser("ann"))
for site in ("admin", "ops"):
    page = client.get(f"/{site}/unique_task/lock/").content.decode()
    print(page.count("<td>pending</td>"))
"""


def test_what_is_typed_into_a_shell_runs_and_the_sites_show_its_locks(project, blocks):
    said = manage(project, "shell", "-c", blocks[SHELL] + LOOK)

    # The key of the shell, and that of the view.
    assert said.split()[-3:] == ["202", "2", "2"]
