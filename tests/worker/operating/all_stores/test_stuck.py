"""Keys get stuck in five ways; the command line alone finds and frees them.

What lives keeps its lock all the time, and ends as if nothing had been.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.backends.stores import STORES
from tests.worker.app import app
from tests.worker.conftest import urls_on
from tests.worker.operating.all_stores.stuck import ELSEWHERE, HERE, Call, Scene
from tests.worker.operating.command import Done, Unique
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_operated import LONG, RENEWED
from tests.worker.witness import Witness
from tests.worker.worker_process import WorkerProcess

pytestmark = [pytest.mark.worker, pytest.mark.timeout(400)]

#: Seconds that a worker has to answer.
TIMEOUT = 3

#: Names of stores that can list their locks, and that several processes share.
LISTING = [
    *("redis", "redis-sentinel", "redis-cluster", "django-redis-cache"),
    *("postgresql", "mariadb", "sqlite"),
]


@pytest.fixture
def urls(request, redis_url):
    """Messages and results are in Redis, the locks in the store of the test."""
    locks = request.getfixturevalue(STORES[request.param])
    return {**urls_on(redis_url), "locks": locks}


@pytest.fixture
def unique(entry_points, urls, monkeypatch) -> Unique:
    # Neither workers nor commands import any other.
    monkeypatch.setenv("UNIQUE_TEST_TASKS", "tasks_operated")
    return Unique(entry_points, urls)


@pytest.fixture
def witness(urls) -> Iterator[Witness]:
    # A run that is killed never ends: nobody waits for that here.
    witness = Witness(urls["witness"])
    yield witness
    witness.close()


@pytest.fixture
def away(unique, elsewhere) -> dict[str, Any]:
    """How to start a worker on another machine."""
    return {
        "pool": "threads",
        "options": ("-Q", ELSEWHERE),
        "settings": {"unique_lease": LONG},
        "environment": elsewhere,
    }


@pytest.fixture
def workers(unique, celery_app, start_worker, away) -> list[WorkerProcess]:
    """One on this machine, and one on another."""
    with ThreadPoolExecutor() as threads:
        here = threads.submit(start_worker, concurrency=6)
        there = threads.submit(start_worker, **away)
    return [here.result(), there.result()]


@pytest.fixture
def restart(away, start_worker, workers):
    """Call it to have the killed worker started again, under its name."""
    return lambda: start_worker(**away, name=workers[1].name)


@pytest.fixture
def scene(unique, witness, workers) -> Iterator[Scene]:
    scene = Scene(unique, witness, Shelf("shelf"))
    yield scene
    scene.end()


@pytest.mark.parametrize("urls", LISTING, indirect=True)
def test_what_is_stuck_is_found_and_freed_and_what_lives_is_not(
    unique, scene, workers, restart
):
    here, there = (worker.name for worker in workers)
    stuck, living = scene.stuck(), scene.living()
    workers[1].kill()

    before = holders(unique("ls", "--json", "--timeout", TIMEOUT))
    verdicts = {name: verdict(before, call) for name, call in stuck.items()}
    assert verdicts == {
        "killed worker": ("running", "unknown", f"{there} does not answer"),
        "renew=False": ("running", "unknown", f"{there} does not answer"),
        "lost message": ("pending", "unknown", "its message may wait in a queue"),
        "hung body": ("running", "alive", "its process lives"),
        "foreign hold": ("held", "alive", "held by ann: migration"),
    }
    assert_each_is_found(unique, stuck, here, there)
    assert_each_is_explained(unique, stuck, there)
    free_by_hand(unique, stuck, there)

    restart()
    living["run elsewhere"] = scene.running(RENEWED, "run elsewhere", ELSEWHERE)
    free_the_dead(unique, stuck)

    after = holders(unique("ls", "--json", "--timeout", TIMEOUT))
    running = [stuck.pop(name) for name in ("killed worker", "hung body")]
    assert after.keys() == {call.owner for call in (*living.values(), *running)}
    kept = after.keys() & before.keys()
    assert [after[one]["token"] for one in kept] == [
        before[one]["token"] for one in kept
    ]
    assert_next_calls_run(scene, stuck)
    assert_all_end(scene, living)


def assert_each_is_found(
    unique: Unique, stuck: dict[str, Call], here: str, there: str
) -> None:
    """Filters find each of them."""
    filters = {
        "killed worker": ("--worker", there, "--task", RENEWED.name),
        "renew=False": ("--worker", there, "--verdict", "unknown"),
        "lost message": ("--state", "pending", "--task", "*.executed"),
        "hung body": ("--worker", here, "--state", "running", "--older-than", 0.1),
        "foreign hold": ("--state", "held"),
    }
    found = at_once(unique, *(("ls", "--json", *words) for words in filters.values()))
    for name, done in zip(filters, found):
        assert stuck[name].owner in holders(done), name


def assert_each_is_explained(
    unique: Unique, stuck: dict[str, Call], there: str
) -> None:
    """The answer to why the next call does not run."""
    reasons = {
        "killed worker": f"unknown: {there} does not answer",
        "renew=False": f"unknown: {there} does not answer",
        "lost message": "unknown: its message may wait in a queue",
        "hung body": "alive: its process lives",
        "foreign hold": "alive: held by ann: migration",
    }
    commands = (("explain", *stuck[name].words) for name in reasons)
    for (name, reason), done in zip(reasons.items(), at_once(unique, *commands)):
        assert f"{stuck[name].owner} is {reason}" in done.out, name


def holders(done: Done) -> dict[str, Any]:
    """The holders that are listed, by their owners."""
    assert done.code == 0, done.err
    return {one["owner"]: one for lock in done.objects for one in lock["holders"]}


def verdict(found: dict[str, Any], call: Call) -> tuple[str, str, str]:
    holder = found[call.owner]
    return holder["state"], holder["verdict"], holder["reason"]


def at_once(unique: Unique, *commands: tuple[object, ...]) -> list[Done]:
    """Call commands side by side."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda words: unique(*words), commands))


def free_by_hand(unique: Unique, stuck: dict[str, Call], there: str) -> None:
    """Free what only a person can know to be of no use; before, nothing is dead."""
    dead, *freed = at_once(
        unique,
        ("release", "--dead", "--force"),
        ("release", *stuck["lost message"].words, "--force"),
        ("release", stuck["foreign hold"].owner, "--force"),
    )
    assert dead.rows[-1] == "no such lock is held".split()
    assert all(done.rows[-1][-1] == "released" for done in freed), freed


def free_the_dead(unique: Unique, stuck: dict[str, Call]) -> None:
    """Free what is known to be dead, now that a worker of its name answers."""
    dead = ("release", "--dead", "--timeout", TIMEOUT, "--json")
    dry, done = unique(*dead), unique(*dead, "--force")
    for said, outcome in ((dry, "would be released"), (done, "released")):
        freed = {one["holder"]["owner"]: one["outcome"] for one in said.objects}
        assert freed == {stuck["renew=False"].owner: outcome}


def assert_next_calls_run(scene: Scene, stuck: dict[str, Call]) -> None:
    for call in stuck.values():
        scene.witness.open(call.key)
    results = [
        call.next(ELSEWHERE if name in ("killed worker", "renew=False") else HERE)
        for name, call in stuck.items()
    ]
    assert [result.get(timeout=60) for result in results] == [2] * len(stuck)


def assert_all_end(scene: Scene, living: dict[str, Call]) -> None:
    """All that lives ends with its own result."""
    scene.shelf.deliver()
    scene.end()
    results = [
        app.AsyncResult(call.owner) for name, call in living.items() if name != "hold"
    ]
    assert [result.get(timeout=60) for result in results] == [1] * len(results)
