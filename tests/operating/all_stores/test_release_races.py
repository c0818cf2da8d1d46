"""Operators release a lock while others take it: no successor ever loses its own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.forking import in_fork
from tests.inprocess import TIMEOUT
from tests.operating.test_release import seen
from tests.published_calls import key_of, task_of
from unique_task import unique
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token
from unique_task.backends.registry import backend_class
from unique_task.backends.steps import Acquired, ReleasedBy, Renewal, Renewed
from unique_task.leases.process import this_process
from unique_task.operating import Lock, release

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = [
    pytest.mark.skipif(not this_process(), reason="no process can be seen here"),
    pytest.mark.usefixtures("own_shared_tasks"),
]

ROUNDS = 20
ANN = ReleasedBy("ann")


@pytest.fixture(params=["memory", "redis", "postgresql", "mariadb", "sqlite"])
def store(request, app, tmp_path) -> Backend:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/locks.sqlite"
    elif request.param == "memory":
        url = "memory://"
    else:
        url = request.getfixturevalue(f"{request.param}_url")
    store = app.conf.unique_backend = backend_class(url).from_url(url, timeout=20)
    return store


@pytest.fixture
def task(app, store) -> Any:
    return task_of(app, unique(key=()))


class Race:
    """A key that one holds, others want, and operators release; all at once."""

    def __init__(self, task: Any, store: Backend, process: str) -> None:
        self._task, self._store = task, store
        self._key = key_of(task)
        self._start = Barrier(5)
        self._first = self._record(process)
        store.acquire(self._key, self._first, 600)

    def _record(self, process: str = "") -> Record:
        return Record(Token.of_attempt("task"), self._task.name, process=process)

    def run(self, **how: Any) -> list[Any]:
        """Return what the holder heard when it renewed its lock."""
        found = seen(self._task.app)
        with ThreadPoolExecutor(5) as threads:
            work = [threads.submit(self._succeed, **how) for _ in range(2)]
            work += [threads.submit(self._release, found, **how) for _ in range(2)]
            renewed = threads.submit(self._renew, **how)
            for one in work:
                one.result(TIMEOUT)
            return renewed.result(TIMEOUT)

    def _succeed(self, running: bool) -> None:
        """Take the lock, as a successor of the dead or when it is free."""
        over = () if running else (self._first.token,)
        self._start.wait(TIMEOUT)
        record = self._record()
        while not isinstance(
            self._store.acquire(self._key, record, 600, take_over_from=over), Acquired
        ):
            pass
        held = self._store.get(self._key)
        assert held is not None and held.record.token == record.token
        assert self._store.release(self._key, record.token), "a successor was freed"

    def _release(self, found: list[Lock], running: bool) -> None:
        self._start.wait(TIMEOUT)
        for _ in range(5):
            list(release(self._task.app, found, force=True, running=running, by="ann"))

    def _renew(self, running: bool) -> list[Any]:
        self._start.wait(TIMEOUT)
        answers: list[Any] = []
        renewal = Renewal(self._key, self._first, None, 600)
        while running and sum(answer is not Renewed.HELD for answer in answers) < 3:
            answers += self._store.renew([renewal])
        return answers


def test_a_successor_of_the_dead_is_never_freed(task, store):
    dead = in_fork(this_process)

    for _ in range(ROUNDS):
        Race(task, store, dead).run(running=False)


def test_a_run_that_renews_its_lock_never_takes_it_from_a_successor(task, store):
    for _ in range(ROUNDS):
        answers = Race(task, store, this_process()).run(running=True)

        held = [answer for answer in answers if answer is not Renewed.HELD]
        assert held == [ANN] * 3
