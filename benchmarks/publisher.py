"""A process of its own that publishes: plain Celery's never imports our library.

Where our library is imported, the messages of plain tasks pass through it as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

#: Variables by which publishers learn where messages, results and locks are.
VARIABLES = "UNIQUE_TEST_BROKER", "UNIQUE_TEST_BACKEND", "UNIQUE_TEST_REDIS"


class Publisher:
    """Calls the functions of :mod:`benchmarks.publishing` in that process."""

    def __init__(self, app: str, urls: tuple[str, str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.publishing", app],
            env={**os.environ, **dict(zip(VARIABLES, urls))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, function: str, *arguments: Any, **options: Any) -> Any:
        """Return what the function returns there."""
        assert self._process.stdin and self._process.stdout
        print(
            json.dumps([function, arguments, options]),
            file=self._process.stdin,
            flush=True,
        )
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the publisher has ended in {function}()")
        return json.loads(answer)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
