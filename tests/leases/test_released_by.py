"""The lock of a run that lives is released by somebody else, and the run is told."""

import logging
from typing import Any

import pytest

from tests.held_lock import held_lock
from tests.waiting import wait_until
from unique_task import LockStoreError, MemoryBackend, current_lock, lock_lost, unique
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired, Release, Tombstone

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

TOLD = "released by ann@mill"


def bury() -> Any:
    """Release the lock of the running body as an operator does; return the store."""
    lock = held_lock()
    tombstone = Tombstone("ann@mill", 1000)
    left = Release(lock.lock, lock.record.token, tombstone=tombstone)
    assert lock.backend.release_as(left)
    return lock.backend


def take_as_next() -> Record:
    """Take the lock of the running body as the next call does."""
    lock = held_lock()
    record = Record(Token.of_attempt("next"))
    assert isinstance(lock.backend.acquire(lock.lock, record, 1000), Acquired)
    return record


@pytest.fixture
def hasty(app):
    """An app whose leases are renewed all the time."""
    app.conf.unique_lease = 0.3
    return app


@pytest.fixture
def losses():
    """What receivers of the signal read."""
    losses: list[str] = []

    def note(lock, **_):
        losses.append(lock.loss)

    lock_lost.connect(note)
    yield losses
    lock_lost.disconnect(note)


def logged(caplog) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno > logging.INFO]


def test_the_next_renewal_tells_who_released_it(hasty, losses, caplog):
    @hasty.task(name="body")
    @unique
    def body():
        store, lock = bury(), held_lock()
        wait_until(lambda: lock.lost)
        assert lock.loss == TOLD
        assert lock.remaining() == 0
        assert store.get(lock.lock) is None
        return lock.owner

    owner = body()

    wait_until(lambda: losses)
    assert losses == [TOLD]
    assert logged(caplog) == [f"body[{owner}] lost its lock: {TOLD}"]


def test_the_next_one_has_it_undisturbed(hasty):
    @hasty.task
    @unique
    def body():
        store, lock, record = bury(), held_lock(), take_as_next()
        wait_until(lambda: lock.lost)
        assert lock.loss == TOLD
        return store, lock.lock, record

    store, name, record = body()

    assert store.get(name).record.token == record.token


def test_a_lock_that_was_not_lost_has_no_loss(app):
    @app.task
    @unique
    def body():
        return current_lock().lost, current_lock().loss

    assert body() == (False, "")


def test_it_cannot_be_extended(app, losses):
    @app.task
    @unique(renew=False)
    def body():
        store, lock = bury(), held_lock()
        assert not lock.lost  # nothing has asked the store
        assert not lock.extend(100)
        return lock.loss, store.get(lock.lock)

    assert body() == (TOLD, None)
    assert losses == [TOLD]


def test_what_was_not_renewed_hears_at_its_end(app, losses):
    @app.task
    @unique(renew=False)
    def body():
        bury()
        return take_as_next(), held_lock()

    record, lock = body()

    assert losses == [TOLD]
    assert lock.backend.get(lock.lock).record.token == record.token


def test_a_body_that_releases_it_itself_hears_that_it_was_released(app, losses):
    @app.task
    @unique
    def body():
        bury()
        return current_lock().release(), current_lock().loss

    assert body() == (False, TOLD)


def test_where_the_store_cannot_tell_the_loss_says_so(app, losses):
    class Silent(MemoryBackend):
        def _released_by(self, key, token):
            raise LockStoreError("it does not answer")

    @app.task
    @unique(backend=Silent())
    def body():
        bury()

    body()

    [loss] = losses
    assert loss.startswith("it was not held any more when the task ended; why cannot")
