"""The commands on the page about operations print what stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.test_readme import ROOT, literal_blocks, python_blocks
from tests.programs import run, run_python
from tests.waiting import wait_until
from tests.worker.operating.command import install_entry_points

pytestmark = pytest.mark.any_celery

PAGE = ROOT / "docs" / "operations.rst"

#: Of a task; shortened on the page.
ID = r"[0-9a-f]{8}-(\.\.\.|([0-9a-f]{4}-){3}[0-9a-f]{12})"

#: What differs from run to run, and how it is compared.
MASKS = [
    (r"hold-[0-9a-f.]+", "HOLD"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "WHEN"),
    (r"\b\d{16}\b", "FENCE"),
    (ID, "ID"),
    (r"[0-9a-f]{8}(\.\.\.|[0-9a-f]{24})", "KEY"),
    (r"\d+(\.\d+)? (s|min|h)\b", "TIME"),
    (r"\b\d+ / \d+\b", "NUMBERS"),
    (r"redis://[\w.:]+/", "redis://localhost/"),
    (r"[ -]+", " "),
]

#: Two calls of one key, and two of another: one has a message, which goes where nobody
#: looks. A further one runs in place.
SEND = """
import shop
calls = [shop.charge.delay(7), shop.charge.delay(7)]
for _ in range(2):
    shop.report.apply_async(["2026-11"], queue="nobody")
shop.charge(1, seconds=0)
print(*(call.id for call in calls))
"""


def masked(text: str) -> list[str]:
    """The lines of a text, without what differs; the store lists in any order."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return sorted(line.strip() for line in text.splitlines() if line.strip())


@dataclass
class Shop:
    """The app of the page, in a folder, with a worker."""

    folder: Path
    owner: str = ""

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join((str(self.folder), str(ROOT)))
        return {**os.environ, "PYTHONPATH": path}

    def send(self, log: Path) -> None:
        """Send the calls; return when one runs, and one waits for it."""
        done = run_python(SEND, check=True, env=self.environment)
        both = done.stdout.split()

        def waiting() -> str | None:
            text = log.read_text()
            again = (one for one in both if text.count(f"[{one}] received") == 2)
            return next(again, None)

        second = wait_until(waiting, 60, log.read_text)
        [self.owner] = set(both) - {second}

    def output(self, command: str) -> str:
        """What a line of a shell prints."""
        celery = f"{sys.executable} -m celery"
        line = re.sub(r"\bcelery(?= -A)", celery, command)
        done = run("bash", "-c", line, env=self.environment)
        return done.stdout + done.stderr


def write_apps(folder: Path, redis_url: str) -> None:
    """Write the app of the page, and what becomes of it, as modules."""
    blocks = python_blocks(PAGE, redis_url)
    [code] = [block for block in blocks if "app =" in block]
    [moved] = [block for block in blocks if block.startswith("# shop_moved.py")]
    next_release = code.replace('key="{order_id}"', 'key=["order_id", "seconds"]')
    assert next_release != code and 'key=["order_id", "seconds"]' in PAGE.read_text()
    (folder / "shop.py").write_text(code)
    (folder / "shop_next.py").write_text(next_release)
    (folder / "shop_moved.py").write_text(moved)


@pytest.fixture
def shop(tmp_path: Path, redis_url: str) -> Iterator[Shop]:
    """A worker that runs one call; one waits for it, one is lost in a queue."""
    install_entry_points(tmp_path)
    write_apps(tmp_path, redis_url)
    shop = Shop(tmp_path)
    words = [
        "-A",
        "shop",
        "worker",
        "-n",
        "w1@mill",
        "-P",
        "threads",
        "-c",
        "2",
        "-l",
        "INFO",
    ]
    command = [sys.executable, "-m", "celery", *words]
    log = tmp_path / "log"
    with log.open("wb") as file:
        worker = subprocess.Popen(
            command, env=shop.environment, stdout=file, stderr=file
        )
    try:
        wait_until(lambda: "ready." in log.read_text(), 60, log.read_text)
        shop.send(log)
        yield shop
    finally:
        worker.kill()
        worker.wait(30)


def commands(page: Path) -> list[tuple[str, str]]:
    """The commands of a page, each with what it prints."""
    found = []
    for block in literal_blocks(page):
        if "console" in block["classes"]:
            for part in re.split(r"(?m)^\$ ", block.astext())[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


# Celery's command alone takes seconds on a busy machine.
@pytest.mark.timeout(600)
def test_each_command_prints_what_stands_on_the_page(shop):
    of_page = commands(PAGE)

    assert len(of_page) > 4
    for command, output in of_page:
        command = re.sub(ID, shop.owner, command)
        if " stats" in command:  # what the worker brings to the store in its time
            wait_until(lambda: "RETRY" in shop.output(command), 20)
        printed = shop.output(command)
        assert masked(printed) == masked(output), f"{command}\n{printed}"


def test_its_code_runs(shop, redis_url):
    modules = ("app = Celery", "# shop_moved.py")
    blocks = python_blocks(PAGE, redis_url)
    code = [block for block in blocks if not any(part in block for part in modules)]
    assert len(code) == len(blocks) - len(modules)

    # The first one is about shadow mode, and has its app from what follows.
    done = run_python("\n".join(code[::-1]), check=True, env=shop.environment)

    assert "shop.report" in done.stdout
