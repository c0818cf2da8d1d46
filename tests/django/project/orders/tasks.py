"""Tasks of this app."""

import time
from pathlib import Path

from celery import shared_task

from unique_task import unique


@shared_task
@unique
def import_orders(path: str) -> str:
    """Note that it runs, until it is told to end."""
    with Path(path, "started").open("a") as started:
        started.write("started\n")
    while not Path(path, "end").exists():
        time.sleep(0.01)
    return "imported"
