"""Compare the outcomes of Celery's unit tests with and without us."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.celery_suite.run import GUARDED, IMPORTED, PLAIN, run
from tests.celery_suite.source import unpacked

Outcomes = Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser("tests.celery_suite", description=__doc__)
    parser.add_argument("tests", nargs="*", default=["t/unit"], help="of Celery's")
    tests = parser.parse_args().tests
    source = unpacked()
    plain = run(PLAIN, source, tests)
    print(f"{PLAIN}: {counted(plain)}", flush=True)
    differ = [differs(kind, source, plain, tests) for kind in (IMPORTED, GUARDED)]
    sys.exit(any(differ))


def differs(kind: str, source: Path, plain: Outcomes, tests: Iterable[str]) -> bool:
    """Run the tests as `kind` says and print what differs from `plain`, if it does."""
    outcomes = run(kind, source, tests)
    print(f"{kind}: {counted(outcomes)}", flush=True)
    doubtful = differing(plain, outcomes)
    if doubtful:
        # Some fail now and then in plain Celery too. What counts differs twice.
        files = sorted({name.partition("::")[0] for name in doubtful})
        plain, outcomes = run(PLAIN, source, files), run(kind, source, files)
    steady = [name for name in differing(plain, outcomes) if name in doubtful]
    for name in steady:
        print(f"  {name}: {plain.get(name)}, but {outcomes.get(name)} when {kind}")
    return bool(steady)


def differing(plain: Outcomes, outcomes: Outcomes) -> list[str]:
    """Return the tests, by id, that do not end alike; also those that ran once only."""
    names = sorted({*plain, *outcomes})
    return [name for name in names if plain.get(name) != outcomes.get(name)]


def counted(outcomes: Outcomes) -> str:
    """Return how many tests ended in which way, in words."""
    counts = Counter(outcomes.values())
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())


if __name__ == "__main__":
    main()
