"""What was published and does not start: its lock is freed, or ends by its time."""

import datetime
from contextlib import contextmanager

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.conftest import redis_only
from tests.worker.published.locks import pending
from tests.worker.tasks_published import AT_PUBLISH, GUARDED_BY, LEAVING, LONG
from unique_task import ConfigurationError, DuplicateTaskError

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]

TIMEOUT = 20

each_lock = pytest.mark.parametrize("lock", AT_PUBLISH)

#: Lock types of whose pending calls a later one is a duplicate.
EXCLUDING = [lock for lock in AT_PUBLISH if lock != "until_and_while_executing"]

#: Lock types that end with their message; a window stays whatever becomes of it.
ENDING = [lock for lock in AT_PUBLISH if lock != "until_expired"]


@pytest.fixture
def lapsed(shelf, key):
    """Call it with a task for a call that waits while its lock does no more."""

    def put(task):
        result = shelf.put(task, key, 1, unique={"expire": 0.2})
        wait_until(lambda: not pending(task, key))
        return result

    return put


@each_lock
def test_a_lock_is_freed_when_the_worker_meets_a_revoked_message(shelf, key, lock):
    task = GUARDED_BY[lock, "ignore"]
    result = shelf.put(task, key)
    app.control.revoke(result.id, reply=True, limit=1, timeout=TIMEOUT)

    shelf.deliver()

    with pytest.raises(TaskRevokedError):
        result.get(timeout=TIMEOUT)
    wait_until(lambda: bool(pending(task, key)) is (lock == "until_expired"))


def test_a_lock_is_freed_when_a_task_is_revoked_between_two_tries(
    shelf, retries, witness, key
):
    task = LEAVING["until_executed", False]
    witness.open(f"{key} 0")
    result = shelf.put(task, key, "retry")
    shelf.deliver()
    wait_until(lambda: witness.states(result.id) == ["RETRY"])
    app.control.revoke(result.id, reply=True, limit=1, timeout=TIMEOUT)

    retries.deliver()

    with pytest.raises(TaskRevokedError):
        result.get(timeout=TIMEOUT)
    wait_until(lambda: not pending(task, key))


@redis_only
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_a_lock_is_freed_if_the_next_try_cannot_be_sent(shelf, witness, key, late):
    task = LEAVING["until_executed", late]
    witness.open(f"{key} 0")
    result = shelf.put(task, key, "retry in vain")

    shelf.deliver()

    wait_until(lambda: witness.states(result.id))
    wait_until(lambda: not pending(task, key))


@pytest.mark.parametrize("lock", ENDING)
def test_a_lock_ends_when_its_message_expires(shelf, witness, key, lock):
    task = GUARDED_BY[lock, "ignore"]
    witness.open(key)

    shelf.put(task, key, expires=0.2)

    wait_until(lambda: not pending(task, key))
    assert task.delay(key, 2).get(timeout=TIMEOUT) == 2


@each_lock
def test_a_lock_of_a_message_that_was_purged_ends_by_its_time(
    shelf, witness, key, lock
):
    task = GUARDED_BY[lock, "ignore"]
    witness.open(key)
    shelf.put(task, key, unique={"expire": 0.3})
    shelf.put(task, f"held {key}")
    shelf.clear()
    assert shelf.put(task, f"held {key}").duplicate

    wait_until(lambda: not pending(task, key))

    assert task.delay(key, 2).get(timeout=TIMEOUT) == 2


def from_now(seconds: float) -> datetime.datetime:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now + datetime.timedelta(seconds=seconds)


@redis_only
@each_lock
@pytest.mark.parametrize(
    "options, seconds, window",
    [
        ({}, LONG, LONG),
        ({"countdown": 100}, LONG + 100, LONG + 100),
        ({"eta": 100}, LONG + 100, LONG + 100),
        ({"expires": 50}, 50, LONG),
        ({"countdown": 100, "expires": 120}, 120, LONG + 100),
    ],
    ids=["at once", "countdown", "eta", "expires", "countdown and expires"],
)
def test_a_lock_stands_from_the_eta_on_and_never_after_the_message_expires(
    shelf, key, lock, options, seconds, window
):
    task = GUARDED_BY[lock, "ignore"]
    if "eta" in options:
        options = {"eta": from_now(options["eta"])}

    shelf.put(task, key, **options)

    stands = window if lock == "until_expired" else seconds
    assert stands - 15 < pending(task, key).remaining <= stands


@redis_only
@each_lock
def test_a_task_whose_lock_has_lapsed_runs_if_its_key_is_free(
    lapsed, shelf, witness, key, lock
):
    witness.open(key)
    result = lapsed(GUARDED_BY[lock, "ignore"])

    shelf.deliver()

    assert result.get(timeout=TIMEOUT) == 1


@redis_only
@pytest.mark.parametrize("lock", EXCLUDING)
@pytest.mark.parametrize("policy", ["ignore", "skip", "raise"])
def test_a_task_whose_lock_has_lapsed_is_a_duplicate_of_who_took_its_key(
    lapsed, shelf, witness, key, lock, policy
):
    task = GUARDED_BY[lock, policy]
    witness.open(key)
    late = lapsed(task)
    other = shelf.put(task, key, 2)

    shelf.deliver()

    if policy == "skip":
        assert late.get(timeout=TIMEOUT) is None
    else:
        error = TaskRevokedError if policy == "ignore" else DuplicateTaskError
        with pytest.raises(error, match=other.id):
            late.get(timeout=TIMEOUT)
    shelf.deliver()
    assert other.get(timeout=TIMEOUT) == 2
    assert witness.runs(key) == 1


@redis_only
def test_two_that_wait_run_one_after_the_other_if_the_lock_of_one_has_lapsed(
    lapsed, shelf, witness, key
):
    task = GUARDED_BY["until_and_while_executing", "retry"]
    witness.open(key)
    results = [lapsed(task), shelf.put(task, key, 2)]

    shelf.deliver(2)

    assert [result.get(timeout=TIMEOUT) for result in results] == [1, 2]
    assert witness.most_at_once(key) == 1


@redis_only
@each_lock
def test_an_equal_call_runs_when_the_time_of_the_first_is_over(
    shelf, witness, key, lock
):
    task = GUARDED_BY[lock, "ignore"]
    witness.open(key)
    first = task.apply_async((key, 1), unique={"expire": 0.5})
    assert first.get(timeout=TIMEOUT) == 1

    wait_until(lambda: not pending(task, key))

    assert task.delay(key, 2).get(timeout=TIMEOUT) == 2


@redis_only
def test_a_window_is_not_begun_anew_when_the_task_starts(shelf, run, key):
    task = GUARDED_BY["until_expired", "ignore"]
    shelf.put(task, key)
    wait_until(lambda: pending(task, key).remaining < LONG - 0.5)

    shelf.deliver()

    run()
    assert LONG / 2 < pending(task, key).remaining < LONG - 0.5


@pytest.fixture
def another_store(module_urls):
    """Call it to publish to another database than the worker's."""

    @contextmanager
    def publish():
        app.conf.unique_backend = module_urls["locks"].removesuffix("/0") + "/9"
        try:
            yield
        finally:
            app.conf.unique_backend = module_urls["locks"]

    return publish


@redis_only
@each_lock
def test_a_task_fails_if_its_lock_was_taken_in_another_store(
    another_store, shelf, witness, key, lock
):
    witness.open(key)
    with another_store():
        result = shelf.put(GUARDED_BY[lock, "ignore"], key)

    shelf.deliver()

    with pytest.raises(ConfigurationError, match="another store"):
        result.get(timeout=TIMEOUT)
    assert not witness.runs(key)
