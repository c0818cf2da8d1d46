"""Shows duplicates that are ignored, skipped, answered, put off and refused."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import shop
from tally import (
    CLICKS,
    NO_GUARD,
    ORDERS,
    OUTCOMES,
    PUBLISHERS,
    TRIGGERED,
    Scene,
    Tally,
)
from witness import FILE, Event, Testimony
from workers import worker

#: Seconds after which a missing answer counts as lost.
PATIENCE = 15.0

COLOURS = {"RUNS": "green", "OVERLAPS": "red", "FAILED": "yellow"}

ALL_WELL = "With the guard nothing overlapped, and every call is accounted for."

COLUMNS = [
    *("task", "policy", "triggered", *OUTCOMES),
    *("came back", "overlaps", "lock held by"),
]

LEGEND = """\
ran, ignored, skipped, cached, failed: how each call ended, as its caller sees it;
  cached: it got the value of a run; failed: it got DuplicateTaskError.
came back: calls that came back later, once or more, before they ended.
overlaps: runs that began during another run for the same order.
lock held by: the first two tasks that ran under a lock, and how many more."""

PLAIN = Scene(shop.charge_plain, NO_GUARD, "ran", "every call runs, at any time")

GUARDED = [
    Scene(shop.ship, "ignore", "ignored", "a duplicate is dropped, its result REVOKED"),
    Scene(shop.notify, "skip", "skipped", "a duplicate succeeds at once with None"),
    Scene(shop.invoice, "cached", "cached", "a duplicate gets the value of the run"),
    Scene(
        shop.charge, "retry", "ran", "a duplicate comes back later: all run, in turn"
    ),
    Scene(shop.refund, "raise", "failed", "a duplicate fails with DuplicateTaskError"),
]


@click.command()
@click.option("--redis", metavar="URL", envvar="REDIS_URL", help="Use a real Redis.")
def main(redis: str | None) -> None:
    """Show what unique_task does to duplicates: here in memory, or on Redis."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "witness")
        os.environ[FILE] = str(path)
        with worker(redis, Path(folder)), closing(Testimony(path)) as testimony:
            introduce(redis)
            tallies = [play(scene, testimony) for scene in [PLAIN, *GUARDED]]
    show_table(tallies)
    faults = [f"{t.scene.name}: {fault}" for t in tallies for fault in t.faults()]
    click.echo("\n" + "\n".join(faults or [ALL_WELL]))
    sys.exit(bool(faults))


def introduce(redis: str | None) -> None:
    pool, store = ("4 processes", "Redis") if redis else ("4 threads", "memory")
    first, second = ORDERS
    click.echo(
        f"{len(PUBLISHERS)} threads trigger each task {TRIGGERED} times at once, for "
        f"order {first} and order {second}.\n"
        f"Worker: {pool}; broker, results and locks: {store}.\n"
        "Each run takes 0.3 s. A call is shown by the first letters of its task id."
    )


def play(scene: Scene, testimony: Testimony) -> Tally:
    """Let the publishers trigger a task, and show what happens until all is over."""
    click.echo(f"\n{scene.policy}: {scene.text}")
    tally = Tally(scene)
    with ThreadPoolExecutor(len(PUBLISHERS)) as publishers:
        sent = publishers.map(lambda name: publish(scene, name), PUBLISHERS)
        task_ids = [task_id for each in sent for task_id in each]
    watch(tally, testimony, set(task_ids))
    tally.answer([shop.app.AsyncResult(task_id) for task_id in task_ids])
    if scene is PLAIN:
        click.echo(
            f"Without the guard: {TRIGGERED} triggers, {len(tally.ran)} runs, "
            f"{tally.overlaps} of them beside another run for the same order."
        )
    return tally


def publish(scene: Scene, publisher: str) -> list[str]:
    return [scene.task.delay(order, publisher).id for order in CLICKS]


def watch(tally: Tally, testimony: Testimony, task_ids: set[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not tally.over >= task_ids and time.monotonic() < deadline:
        time.sleep(0.1)
        noted = [(event, tally.note(event)) for event in testimony.news()]
        # Threads may write their lines late: shown in order of time.
        for event, words in sorted(noted, key=lambda line: line[0].at):
            if words:
                show(event, *words)


def show(event: Event, what: str, rest: str) -> None:
    clock = datetime.fromtimestamp(event.at).strftime("%H:%M:%S.%f")[:-3]
    call = f"{event.task}(order {event.order})"
    verb = click.style(f"{what:<10}", COLOURS.get(what))
    click.echo(f"{clock}  {call:<25}{verb}{rest}")


def show_table(tallies: list[Tally]) -> None:
    rows = [COLUMNS, *(tally.row() for tally in tallies)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    click.echo()
    for row in rows:
        click.echo("  ".join(map(aligned, row, widths)).rstrip())
    click.echo(f"\n{LEGEND}")


def aligned(cell: str, width: int) -> str:
    return cell.rjust(width) if cell.isdigit() else cell.ljust(width)


if __name__ == "__main__":
    main()
