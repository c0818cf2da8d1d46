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

#: What counts waits longer for the workers: a busy one is not to be missed.
PATIENT = ("--timeout", 3)

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
    there = workers[1].name
    stuck, living = scene.stuck(), scene.living()
    workers[1].kill()
    before = listed(unique("ls", "--json", *PATIENT))
    assert_each_is_judged(before, stuck, there)
    assert_each_is_explained(unique, stuck, there)

    nothing, *freed = at_once(
        unique,
        ("release", "--dead", "--force"),
        ("release", "--worker", there, "--task", RENEWED.name, "--running", "--force"),
        ("release", *stuck["lost message"].words, "--force"),
        ("release", stuck["hung body"].owner, "--running", "--revoke", "--force"),
        ("release", stuck["foreign hold"].owner, "--force"),
    )
    restart()
    living["run elsewhere"] = scene.running(RENEWED, "run elsewhere", ELSEWHERE)
    freed.append(unique("release", "--dead", "--force", *PATIENT))

    after = listed(unique("ls", "--json", *PATIENT))
    assert nothing.rows[-1] == "no such lock is held".split()
    assert [outcome(one) for one in freed] == ["released"] * 5
    assert_kept(living, before, after)
    assert_next_calls_run(scene, stuck)
    assert_all_end(scene, living)


@pytest.mark.parametrize("urls", ["memcached"], indirect=True)
def test_where_locks_cannot_be_listed_calls_find_and_free_them(
    unique, scene, workers, restart
):
    there = workers[1].name
    stuck, living = scene.stuck(), scene.living()
    workers[1].kill()
    before = shown(unique, *stuck.values(), *living.values())
    assert_each_is_judged(before, stuck, there)

    refused, *freed = at_once(
        unique,
        ("release", "--dead", "--force"),
        ("release", *stuck["killed worker"].words, "--running", "--force"),
        ("release", *stuck["lost message"].words, "--force"),
        ("release", *stuck["hung body"].words, "--running", "--revoke", "--force"),
        ("release", *stuck["foreign hold"].words, "--force"),
    )
    restart()
    freed.append(unique("release", *stuck["renew=False"].words, "--force", *PATIENT))

    after = shown(unique, *stuck.values(), *living.values())
    assert refused.code == 69
    assert "the store cannot list its locks: ask for one by its key" in refused.err
    assert [outcome(one) for one in freed] == ["released"] * 5
    assert_kept(living, before, after)
    assert_next_calls_run(scene, stuck)
    assert_all_end(scene, living)


def assert_each_is_judged(
    found: dict[str, Any], stuck: dict[str, Call], there: str
) -> None:
    """Its state, whether it lives, and how that is known."""
    assert {name: judged(found, call) for name, call in stuck.items()} == {
        "killed worker": ("running", "unknown", f"{there} does not answer"),
        "renew=False": ("running", "unknown", f"{there} does not answer"),
        "lost message": ("pending", "unknown", "its message may wait in a queue"),
        "hung body": ("running", "alive", "its process lives"),
        "foreign hold": ("held", "alive", "held by ann: migration"),
    }


def judged(found: dict[str, Any], call: Call) -> tuple[str, str, str]:
    holder = found[call.owner]
    return holder["state"], holder["verdict"], holder["reason"]


def assert_each_is_explained(
    unique: Unique, stuck: dict[str, Call], there: str
) -> None:
    """To those who ask why the next call does not run."""
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


def listed(done: Done) -> dict[str, Any]:
    """The holders that a command lists, by their owners."""
    assert done.code == 0, done.err
    return {one["owner"]: one for lock in done.objects for one in lock["holders"]}


def shown(unique: Unique, *calls: Call) -> dict[str, Any]:
    """The holders that are shown of each call, by their owners."""
    found = at_once(unique, *(("show", *call.words, "--json") for call in calls))
    details = [one for done in found for one in done.objects]
    locks = [lock for detail in details for lock in detail["locks"]]
    return {one["owner"]: one for lock in locks for one in lock["holders"]}


def at_once(unique: Unique, *commands: tuple[object, ...]) -> list[Done]:
    """Call commands side by side."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda words: unique(*words), commands))


def outcome(done: Done) -> str:
    """What became of the one lock that a command was to release."""
    assert done.code == 0, (done.out, done.err)
    [row] = done.rows[2:]
    return next(word for word in row if word in ("released", "refused", "gone"))


def assert_kept(
    living: dict[str, Call], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Nobody holds a lock but what lives, and that has held it all the time."""
    assert after.keys() == {call.owner for call in living.values()}
    for owner in after.keys() & before.keys():
        for field in ("token", "fence", "since"):
            assert after[owner][field] == before[owner][field]


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
    calls = [call for name, call in living.items() if name != "hold"]
    results = [app.AsyncResult(call.owner).get(timeout=60) for call in calls]
    assert results == [1] * len(calls)
