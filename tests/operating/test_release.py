"""Release frees what is dead, pending or called; it never frees a successor."""

import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.forking import fork, in_fork, start_fork
from tests.operating.test_explain import hold
from tests.published_calls import holder, key_of, store_of, task_of
from tests.servers.process import free_port
from tests.waiting import wait_until
from unique_task import ConfigurationError, current_lock, unique
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Release, ReleasedBy, Renewal
from unique_task.leases.process import is_stopped, this_process
from unique_task.operating import Lock, Wanted, locks, release

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.skipif(
    not this_process(), reason="no process can be seen here"
)


def seen(app: Any, **wanted: Any) -> list[Lock]:
    """The locks of the app, without what memory cannot show."""
    found = locks(app, Wanted(**wanted), timeout=0)
    return [lock for lock in found if isinstance(lock, Lock)]


def outcomes(app: Any, found: list[Lock], **options: Any) -> list[str]:
    return [one.outcome for one in release(app, found, **options)]


@pytest.fixture
def dead():
    return in_fork(this_process)


def test_nothing_is_released_without_force(app, dead):
    task = task_of(app)
    hold(task, process=dead)

    assert outcomes(app, seen(app)) == ["would be released"]
    assert holder(task)


def test_a_dead_holder_is_released(app, dead):
    task = task_of(app)
    hold(task, process=dead)

    assert outcomes(app, seen(app), force=True) == ["released"]
    assert holder(task) is None


def test_the_lock_of_a_successor_is_never_freed(app, dead):
    """It gets the lock after it was seen with a dead holder."""
    task = task_of(app)
    token = hold(task, process=dead)
    found = seen(app)
    store_of(app).release(key_of(task), token)
    hold(task, owner="successor", process=dead)

    assert outcomes(app, found, force=True) == ["gone"]
    assert holder(task).owner == "successor"


def test_the_attempt_that_took_a_pending_lock_over_keeps_it(app):
    task = task_of(app)
    token = hold(task, owner="message", state="pending")
    found = seen(app)
    record = Record(Token.of_attempt("message"), task.name)
    store_of(app).acquire(key_of(task), record, 60, take_over_from=[token])

    assert outcomes(app, found, force=True) == ["gone"]
    assert holder(task).token == record.token


def test_only_the_dead_one_of_several_holders_is_released(app, dead):
    task = task_of(app, unique(limit=3))
    for owner, process in (("a", dead), ("b", this_process()), ("c", dead)):
        record = Record(Token.of_attempt(owner), task.name, process=process)
        store_of(app).acquire(key_of(task), record, 60, limit=3)

    found = list(release(app, seen(app, verdicts=("dead",)), force=True))

    assert sorted(one.holder.owner for one in found if one.holder) == ["a", "c"]
    assert [held.record.owner for held in store_of(app).holders(key_of(task))] == ["b"]


def test_a_run_that_lives_is_refused(app):
    task = task_of(app)
    hold(task, owner="living", process=this_process())

    [refused] = release(app, seen(app), force=True)

    assert (refused.outcome, refused.needs_running) == ("refused", True)
    assert refused.reason == "its process lives"
    assert holder(task).owner == "living"


@pytest.fixture
def stopped():
    names = fork.SimpleQueue()

    def stand_still() -> None:
        names.put(this_process())
        signal.pause()

    process = start_fork(stand_still)
    name = names.get()
    assert process.pid
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(name))
    yield name
    process.kill()
    process.join()


def test_of_a_run_that_stands_still_it_is_said(app, stopped):
    hold(task_of(app), process=stopped)

    [refused] = release(app, seen(app), force=True)

    assert refused.outcome == "refused"
    assert "its process lives, but is stopped" in refused.reason


def test_a_run_of_which_nobody_knows_is_refused(app):
    task = task_of(app)
    hold(task, process="elsewhere/1/2")

    [refused] = release(app, seen(app), force=True)

    assert refused.outcome == "refused"
    assert "nobody knows whether it lives" in refused.reason
    assert holder(task)


@pytest.mark.parametrize("process", ["own", "elsewhere/1/2"])
@pytest.mark.parametrize("state", ["running", "called"])
def test_what_may_live_is_released_if_asked_for_and_told_by_whom(app, state, process):
    task = task_of(app)
    token = hold(
        task, state=state, process=this_process() if process == "own" else process
    )

    [done] = release(app, seen(app), force=True, running=True, by="ann@mill")

    assert done.outcome == "released"
    assert "its run goes on" in done.reason
    assert holder(task) is None
    assert store_of(app).released_by(key_of(task), token) == "ann@mill"


def test_what_may_live_is_not_released_without_force(app):
    task = task_of(app)
    token = hold(task, process=this_process())

    assert outcomes(app, seen(app), running=True) == ["would be released"]
    assert holder(task).token == token
    assert store_of(app).released_by(key_of(task), token) is None


@pytest.mark.parametrize("state", ["running", "pending"])
def test_what_is_gone_or_has_not_started_is_not_told(app, dead, state):
    task = task_of(app)
    token = hold(task, state=state, process=dead if state == "running" else "")

    assert outcomes(app, seen(app), force=True, running=True) == ["released"]
    assert store_of(app).released_by(key_of(task), token) is None


def test_one_of_several_runs_is_released(app):
    task = task_of(app, unique(limit=3))
    tokens = {}
    for owner in ("a", "b"):
        record = Record(Token.of_attempt(owner), task.name, process=this_process())
        store_of(app).acquire(key_of(task), record, 60, limit=3)
        tokens[owner] = record.token

    found = seen(app, owner="b")

    assert outcomes(app, found, force=True, running=True) == ["released"]
    assert [held.record.owner for held in store_of(app).holders(key_of(task))] == ["a"]
    renewal = Renewal(key_of(task), Record(tokens["b"]), None, 60, limit=3)
    assert store_of(app).renew([renewal]) == [ReleasedBy("an operator")]


def test_a_tombstone_of_a_lock_without_an_end_has_one(app, monkeypatch):
    task = task_of(app)
    hold(task, owner="living", process=this_process())
    [lock] = seen(app)
    endless = replace(lock, holders=(replace(lock.holders[0], remaining=math.inf),))
    steps: list[Release] = []
    monkeypatch.setattr(store_of(app), "release_as", steps.append)

    list(release(app, [endless], force=True, running=True))

    [step] = steps
    assert step.tombstone and step.tombstone.seconds == 3600


@pytest.mark.parametrize("by", ["", "two\nlines", "x" * 201])
def test_who_releases_it_is_one_line_of_some_words(app, by):
    with pytest.raises(ConfigurationError, match="by="):
        release(app, [], by=by)


def test_a_body_that_lives_goes_on_and_the_next_call_has_its_key(app, gate):
    app.conf.unique_lease = 0.3

    @app.task
    @unique(key=())
    def work():
        gate.hold()
        lock = current_lock()
        wait_until(lambda: lock.lost)
        return lock.loss

    with gate.holding(work) as first:
        done = outcomes(app, seen(app), force=True, running=True, by="ann@mill")
        assert done == ["released"]
        second = Record(Token.of_attempt("second"), work.name)
        store_of(app).acquire(key_of(work), second, 60)

    assert first.result() == "released by ann@mill"
    assert holder(work).token == second.token


@pytest.mark.parametrize(
    "state, process, outcome",
    [
        ("pending", "", "released"),
        ("called", "elsewhere/1/2", "released"),
        ("called", "own", "refused"),
    ],
)
def test_messages_and_calls_that_may_be_lost_are_released(app, state, process, outcome):
    task = task_of(app)
    process = this_process() if process == "own" else process
    hold(task, state=state, process=process)

    assert outcomes(app, seen(app), force=True) == [outcome]
    assert bool(holder(task)) == (outcome == "refused")


def test_a_window_is_not_dead_when_its_task_has_ended(app):
    task = task_of(app, unique(lock="until_expired"))
    hold(task)

    [refused] = release(app, seen(app), force=True)

    assert refused.outcome == "refused"
    assert refused.reason.startswith("it stands until its time is over, in ")


def test_only_the_locks_of_the_own_prefix_are_seen_and_released(app, dead):
    task = task_of(app)
    other = hold(task, process=dead)
    app.conf.unique_key_prefix = "shop:"
    own = hold(task, process=dead, name="shop:" + key_of(task))

    found = seen(app)

    assert [lock.key for lock in found] == [key_of(task)]
    assert [one.token for lock in found for one in lock.holders] == [own]
    assert outcomes(app, found, force=True) == ["released"]
    assert holder(task).token == other


def test_a_run_after_its_first_failure_holds_another_lock(app, dead):
    """What was seen of the first try does not free the second."""
    task = task_of(app)
    first = hold(task, owner="same", process=dead)
    found = seen(app)
    store_of(app).release(key_of(task), first)
    second = hold(task, owner="same", process=dead)

    assert outcomes(app, found, force=True) == ["gone"]
    assert holder(task).token == second


# What workers are told


@pytest.fixture
def told(app) -> Iterator[Callable[[], list[Any]]]:
    """Call it for what a worker has heard: pairs of a command and its arguments."""
    heard: list[Any] = []

    def hear(body: Any, message: Any) -> None:
        heard.append((body["method"], body["arguments"]))

    with app.connection_for_read() as connection:
        node = app.control.mailbox.Node("worker", channel=connection.default_channel)
        node.listen(callback=hear)

        def told() -> list[Any]:
            with suppress(TimeoutError):
                while True:
                    connection.drain_events(timeout=0.1)
            return heard

        yield told


@pytest.mark.parametrize("terminate", [False, True])
def test_the_task_of_a_released_lock_is_revoked_and_terminated_if_it_runs(
    app, told, terminate
):
    task = task_of(app)
    state, process = ("running", this_process()) if terminate else ("pending", "")
    hold(task, owner="task-1", state=state, process=process)

    [done] = release(app, seen(app), force=True, running=True, revoke=True)

    assert (done.outcome, done.revoked) == ("released", True)
    [(_, freed), (command, revoked)] = told()
    assert freed["key"] == key_of(task)
    assert (command, revoked["task_id"]) == ("revoke", "task-1")
    assert revoked["terminate"] == terminate


def test_a_call_in_place_has_no_task_to_revoke(app, told):
    hold(task_of(app), state="called", process=this_process())

    [done] = release(app, seen(app), force=True, running=True, revoke=True)

    assert (done.outcome, done.revoked) == ("released", None)
    assert [command for command, _ in told()] == ["unique_task_frees"]


def test_nobody_is_told_of_a_lock_that_is_gone(app, told):
    task = task_of(app)
    token = hold(task, process=this_process())
    found = seen(app)
    store_of(app).release(key_of(task), token)

    [done] = release(app, found, force=True, running=True, revoke=True)

    assert (done.outcome, done.revoked) == ("gone", None)
    assert told() == []


def test_a_broker_that_is_away_keeps_no_lock(app):
    app.conf.broker_url = f"redis://localhost:{free_port()}/0"
    task = task_of(app, unique(limit=2))
    for owner in ("a", "b"):
        record = Record(Token.of_attempt(owner), task.name, process=this_process())
        store_of(app).acquire(key_of(task), record, 60, limit=2)

    done = list(release(app, seen(app), force=True, running=True, revoke=True))

    assert [one.outcome for one in done] == ["released"] * 2
    assert [one.revoked for one in done] == [False] * 2
    assert done[0].reason.startswith("not revoked: the broker does not answer: ")
    assert holder(task) is None
