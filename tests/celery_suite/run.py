"""One run of Celery's unit tests, as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.celery_suite.outcomes import OUTCOMES, read

#: What a run is called, and the plugin that makes the difference.
PLAIN, IMPORTED, GUARDED = "plain", "imported", "guarded"
PLUGINS = {
    PLAIN: [],
    IMPORTED: ["tests.celery_suite.imported"],
    GUARDED: ["tests.celery_suite.guarded"],
}
#: Of all runs.
FIRST = ["no:cacheprovider", "celery.contrib.pytest", "tests.celery_suite.outcomes"]


def run(kind: str, source: Path, tests: Iterable[str]) -> dict[str, str]:
    """Return the outcomes of `tests` by id; what pytest writes is in a file beside.

    Arguments:
        source: the folder of Celery's sources.
    """
    log, outcomes = (source.parent / f"{kind}.{end}" for end in ("log", "json"))
    outcomes.unlink(missing_ok=True)
    plugins = [*FIRST, *PLUGINS[kind]]
    options = [part for plugin in plugins for part in ("-p", plugin)]
    # Modules that test with somebody's cloud need a package of theirs.
    options += ["--continue-on-collection-errors", "--timeout=120"]
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", *options, *tests],
            cwd=source,
            env=_variables() | {OUTCOMES: str(outcomes)},
            stdout=output,
            stderr=output,
        )
    if not outcomes.exists():
        sys.exit(f"The run did not come to its end; see {log}.")
    return read(outcomes)


def _variables() -> dict[str, str]:
    project = str(Path(__file__).parents[2])
    ours = {name: x for name, x in os.environ.items() if not name.startswith("CELERY")}
    # One order of sets for all runs; test ids are made of some.
    return {**ours, "PYTHONPATH": project, "PYTHONHASHSEED": "0"}
