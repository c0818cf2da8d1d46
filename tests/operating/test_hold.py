"""An operator holds a key: what is taken, what is refused, and how it ends."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.operating.test_explain import explained
from tests.operating.test_explain import hold as run_under
from tests.operating.test_release import outcomes, seen
from tests.published_calls import ForOne, key_of, store_of, task_of
from tests.waiting import wait_until
from unique_task import ConfigurationError, MemoryBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.operating import Hold, Lock, UnknownCallError, hold
from unique_task.options.lock_types import LOCK_TYPES, TAKEN_AT_PUBLISH
from unique_task.options.policy_names import POLICIES

pytest_plugins = "tests.inprocess_fixtures"

CALLED = "held by ann: migration"
ANN: dict[str, Any] = {"by": "ann", "reason": "migration", "timeout": 0}


def hold_of(task: Any, *args: Any, seconds: float = 60, **options: Any) -> Any:
    """Hold the key of a call as Ann, or hear who holds it."""
    options = {**ANN, **options}
    return hold(task.app, task.name, args, {}, seconds=seconds, **options)


def hold_key(app: Any, key: str, **options: Any) -> Any:
    """Hold a bare key as Ann, or hear who holds it."""
    return hold(app, key, seconds=60, **{**ANN, **options})


def holders(task: Any) -> list[str]:
    found = store_of(task.app).holders(key_of(task))
    return [held.record.owner for held in found]


def test_a_hold_tells_what_it_took(app):
    task = task_of(app)

    taken = hold_of(task)

    [held] = store_of(app).holders(key_of(task))
    assert isinstance(taken, Hold)
    assert (taken.key, taken.task, taken.places) == (key_of(task), "work", 1)
    assert (taken.by, taken.reason, taken.seconds) == ("ann", "migration", 60)
    assert (taken.owner, taken.fence) == (held.record.owner, held.record.fence)
    assert 50 < held.remaining <= 60
    assert abs(taken.until - time.time() - 60) < 10


def test_a_hold_does_not_end_later_because_workers_were_asked(app):
    task = task_of(app)

    taken = hold_of(task, timeout=1)

    [held] = store_of(app).holders(key_of(task))
    assert taken.until - time.time() - held.remaining < 0.5


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_hold_of_any_lock_type_pauses_the_body(app, lock, limit):
    """Also of a message that was sent without a lock of its own."""
    task = task_of(app, unique(lock=lock, limit=limit, on_duplicate={"run": "raise"}))
    hold_of(task)

    assert explained(task).at_run.duplicate
    assert task.apply().state == "FAILURE"


@pytest.mark.parametrize("lock", sorted(TAKEN_AT_PUBLISH))
def test_a_message_that_waits_is_named_and_keeps_its_lock(app, sent, lock):
    task = task_of(app, unique(lock=lock))
    first = task.delay()

    answer = hold_of(task)

    if lock == "until_and_while_executing":
        # Its body needs the lock that is held; the message has another one.
        assert isinstance(answer, Hold)
    else:
        assert isinstance(answer, Lock)
        assert [one.owner for one in answer.holders] == [first.id]
        assert holders(task) == [first.id]


def test_who_holds_the_key_is_named(app):
    task = task_of(app)
    run_under(task, owner="running", worker="w1@host")

    answer = hold_of(task)

    assert isinstance(answer, Lock)
    [other] = answer.holders
    assert (answer.key, other.owner, other.verdict) == (
        key_of(task),
        "running",
        "unknown",
    )


def test_a_hold_is_in_the_way_of_another(app):
    task = task_of(app)
    first = hold_of(task)

    answer = hold_of(task, by="ben")

    assert [one.owner for one in answer.holders] == [first.owner]
    assert (answer.holders[0].verdict, answer.holders[0].reason) == ("alive", CALLED)


def test_a_hold_waits_for_the_end_of_a_run(app):
    task = task_of(app)
    token = run_under(task, owner="running")

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(hold_of, task, wait=30)
        store_of(app).release(key_of(task), token)
        assert isinstance(waiting.result(30), Hold)


def some(task: Any, *owners: str, limit: int = 3) -> list[str]:
    """Have some places of the key held; return their tokens."""
    tokens = [Token.of_attempt(owner) for owner in owners]
    for token in tokens:
        record = Record(token, task.name)
        store_of(task.app).acquire(key_of(task), record, 600, limit=limit)
    return tokens


def test_a_hold_takes_places_as_they_get_free(app):
    task = task_of(app, unique(limit=3))
    first, second = some(task, "first", "second")

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(hold_of, task, wait=30)
        wait_until(lambda: len(holders(task)) == 3)
        store_of(app).release(key_of(task), first, limit=3)
        wait_until(
            lambda: sorted(holders(task))[0] != "first" and len(holders(task)) == 3
        )
        assert not waiting.done()
        store_of(app).release(key_of(task), second, limit=3)
        taken = waiting.result(30)

    assert holders(task) == [taken.owner] * 3
    ends = [held.remaining for held in store_of(app).holders(key_of(task))]
    assert min(ends) > 50


def test_a_hold_that_gets_some_places_gives_them_back(app):
    task = task_of(app, unique(limit=3))
    some(task, "first")

    answer = hold_of(task, wait=0.3)

    assert isinstance(answer, Lock)
    assert holders(task) == ["first"]


@pytest.mark.parametrize("other, keeps", [("hold-0", 0), ("hold-z", 2)])
def test_of_two_holds_that_wait_for_each_other_one_gives_way(
    app, monkeypatch, other, keeps
):
    """With a place of three each, both would wait until their time is over."""
    task = task_of(app, unique(limit=3))
    record = Record(Token.of_attempt(other), task.name, state="held", by="ben")
    store_of(app).acquire(key_of(task), record, 600, limit=3)
    seen: list[int] = []

    def look(seconds: float) -> None:
        seen.append(len(holders(task)) - 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("unique_task.operating.holding.time.sleep", look)
    with pytest.raises(KeyboardInterrupt):
        hold_of(task, wait=30)

    assert seen == [keeps]


def test_a_hold_that_is_broken_off_gives_back_what_it_took(app, monkeypatch):
    task = task_of(app, unique(limit=2))
    some(task, "first", limit=2)
    seen: list[int] = []

    def interrupted(seconds: float) -> None:
        seen.append(len(holders(task)))
        raise KeyboardInterrupt

    monkeypatch.setattr("unique_task.operating.holding.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hold_of(task, wait=30)

    assert seen == [2]
    assert holders(task) == ["first"]


def test_while_a_hold_waits_its_places_are_short_leases(app, monkeypatch):
    """Whoever is killed meanwhile blocks the key for no longer."""
    task = task_of(app, unique(limit=2))
    some(task, "first", limit=2)
    ends: list[float] = []

    def look(seconds: float) -> None:
        held = store_of(app).holders(key_of(task))
        ends.extend(one.remaining for one in held if one.record.hold)
        raise KeyboardInterrupt

    monkeypatch.setattr("unique_task.operating.holding.time.sleep", look)
    with pytest.raises(KeyboardInterrupt):
        hold_of(task, seconds=3600, wait=30)

    assert len(ends) == 1 and ends[0] <= 15


# Of a bare key


def test_a_key_is_held_as_it_is_listed(app):
    task = task_of(app)

    taken = hold_key(app, key_of(task))

    assert (taken.key, taken.task, taken.places) == (key_of(task), "", 1)
    assert holders(task) == [taken.owner]


def test_of_a_key_as_many_places_are_taken_as_any_task_has(app):
    task = task_of(app, unique(limit=2))
    task_of(app, unique(limit=4), name="wide")

    hold_key(app, key_of(task))

    assert explained(task).at_run.duplicate
    assert len(holders(task)) == 4


def test_one_holder_of_a_key_is_in_the_way_whatever_the_limit_of_others(app):
    task = task_of(app)
    task_of(app, unique(limit=4), name="wide")
    run_under(task, owner="running")

    answer = hold_key(app, key_of(task))

    assert [one.owner for one in answer.holders] == ["running"]
    assert holders(task) == ["running"]


def test_where_a_limit_depends_on_arguments_a_key_needs_one(app):
    task = task_of(app, unique(limit=lambda item, note: item))

    with pytest.raises(UnknownCallError, match="limit of work depends"):
        hold_key(app, key_of(task))

    assert hold_key(app, key_of(task), limit=2).places == 2


def test_a_key_in_one_of_several_stores_needs_its_name(app):
    task = task_of(app)
    other = MemoryBackend()
    other.name = "memory://other"
    task_of(app, unique(backend=other), name="elsewhere")

    with pytest.raises(UnknownCallError, match="in which store"):
        hold_key(app, key_of(task))

    taken = hold_key(app, key_of(task), store="memory://other")
    assert taken.store == "memory://other"
    assert other.get(key_of(task))


# What is refused


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"seconds": 0}, "seconds=0"),
        ({"wait": -1}, "wait=-1"),
        ({"reason": "  "}, "reason=''"),
        ({"by": "a\nb"}, "by="),
        ({"reason": "x" * 201}, "1 to 200 letters"),
    ],
)
def test_a_value_that_is_not_allowed_takes_nothing(app, wrong, message):
    task = task_of(app)

    with pytest.raises(ConfigurationError, match=message):
        hold_of(task, **wrong)

    assert holders(task) == []


def test_a_key_has_no_arguments(app):
    key = key_of(task_of(app))

    with pytest.raises(UnknownCallError, match="no task"):
        hold_key(app, key, args=[1])


def test_a_call_has_its_own_limit(app):
    with pytest.raises(UnknownCallError, match="are for a key"):
        hold_of(task_of(app), limit=3)


def test_a_store_of_one_holder_does_not_hold_several(app):
    app.conf.unique_backend = ForOne()
    task = task_of(app)

    with pytest.raises(ConfigurationError, match="one holder for each key"):
        hold_key(app, key_of(task), limit=2)


@pytest.mark.parametrize("enabled", [False, "shadow"])
def test_where_no_task_is_guarded_a_hold_is_refused(app, enabled):
    app.conf.unique_enabled = enabled

    with pytest.raises(ConfigurationError, match="would pause nothing"):
        hold_of(task_of(app))


# How it is seen, and ends


def test_a_hold_is_listed_and_alive(app):
    taken = hold_of(task_of(app))

    [lock] = seen(app, states=("held",))

    [one] = lock.holders
    assert (one.owner, one.state, one.worker) == (taken.owner, "held", "")
    assert (one.by, one.hold_reason, one.hold) == ("ann", "migration", CALLED)
    assert (one.verdict, one.reason) == ("alive", CALLED)


def test_a_hold_is_released_by_hand(app):
    task = task_of(app, unique(limit=2))
    hold_of(task)

    assert outcomes(app, seen(app)) == ["would be released"] * 2
    assert outcomes(app, seen(app), force=True) == ["released"] * 2
    assert holders(task) == []


RUNS = {
    "ignore": f"does not run: its result is REVOKED, {CALLED}",
    "skip": "does not run: it succeeds at once, with the value of the policy",
    **dict.fromkeys(
        ("cached", "retry"), f"waits for HOLD ({CALLED}) and comes back later"
    ),
    "raise": "does not run: it fails with DuplicateTaskError",
}
SENT = {
    "raise": "not sent: the caller gets DuplicateTaskError",
    **dict.fromkeys(
        ("cached", "retry"),
        f"sent with a countdown, without a lock: its worker waits for HOLD ({CALLED})",
    ),
    **dict.fromkeys(
        ("ignore", "skip", "replace"), f"not sent: the caller gets REVOKED, {CALLED}"
    ),
}


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_hold_is_explained(app, policy):
    task = task_of(app, unique(lock="until_executed", on_duplicate=policy))
    taken = hold_of(task)

    answer = explained(task)

    assert answer.at_publish.happens == SENT[policy].replace("HOLD", taken.owner)
    if policy != "replace":
        assert RUNS[policy].replace("HOLD", taken.owner) in answer.at_run.happens
