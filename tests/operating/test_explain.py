"""What is explained of a call is what happens to it then."""

from typing import Any

import pytest

from tests.forking import in_fork
from tests.published_calls import key_of, store_of, task_of
from unique_task import DuplicateTaskError, cached, retry, unique
from unique_task.backends.record import Record, Token
from unique_task.leases.process import this_process
from unique_task.operating import UnknownCallError, explain
from unique_task.options.lock_types import LOCK_TYPES, TAKEN_AT_PUBLISH
from unique_task.options.policy_names import POLICIES

pytest_plugins = "tests.inprocess_fixtures"

LEASE = 60


def explained(task: Any, *args: Any, **kwargs: Any) -> Any:
    return explain(task.app, task.name, args, kwargs, timeout=0)


def hold(task: Any, *args: Any, owner: str = "holder", **record: Any) -> str:
    """Have the lock of a call held; return its token."""
    token = Token.of_attempt(owner)
    name = record.pop("name", key_of(task, *args))
    store_of(task.app).acquire(
        name, Record(token, task.name, **record), record.pop("expire", LEASE)
    )
    return token


def what_happens(task: Any, sent: Any) -> str:
    """Publish a call, and return what became of it in the words of the operators."""
    before = len(sent)
    try:
        result = task.delay()
    except DuplicateTaskError:
        return "not sent: the caller gets DuplicateTaskError"
    if len(sent) == before:
        return f"not sent: the caller gets the result of {result.id}"
    lock = sent.last.lock
    if sent.last.headers["eta"]:
        return "sent with a countdown, without a lock: its worker waits for holder"
    return (
        "sent: it takes the lock"
        if lock and lock.get("token")
        else ("sent: its worker takes the lock")
    )


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"replace"}))
@pytest.mark.parametrize("lock", LOCK_TYPES)
@pytest.mark.parametrize("held", [False, True], ids=["free", "held"])
def test_what_is_explained_of_a_publish_happens(app, sent, lock, policy, held):
    options = {"on_duplicate": policy}
    if policy == "cached" and not LOCK_TYPES[lock].allows_cached:
        pytest.skip("the options do not fit")
    task = task_of(app, unique(lock=lock, **options))
    if held:
        hold(task, name=LOCK_TYPES[lock].reservation_name(key_of(task)))

    place = explained(task).at_publish

    assert place.duplicate == (held and lock in TAKEN_AT_PUBLISH)
    assert place.happens == what_happens(task, sent)


def test_a_message_that_waits_is_replaced(app, sent):
    task = task_of(app, unique(lock="until_executing", on_duplicate="replace"))
    first = task.delay()

    place = explained(task).at_publish
    second = task.delay()

    assert (
        place.happens
        == f"sent: it takes the place of {first.id}, which has not started"
    )
    assert not second.duplicate


def test_what_runs_is_not_replaced(app, sent):
    task = task_of(app, unique(lock="until_executing", on_duplicate="replace"))
    hold(task)

    place = explained(task).at_publish

    assert place.happens == what_happens(task, sent)


RUNS = {
    "ignore": "does not run: its result is REVOKED, as a duplicate of holder",
    "skip": "does not run: it succeeds at once, with the value of the policy",
    "cached": "waits for the value of holder",
    "retry": "waits for holder and comes back later",
    "raise": "does not run: it fails with DuplicateTaskError",
}


@pytest.mark.parametrize("policy", RUNS)
def test_a_call_that_comes_to_a_worker_meets_the_holder(app, policy):
    task = task_of(app, unique(on_duplicate=policy))
    assert explained(task).at_run.happens == "runs"
    hold(task)

    place = explained(task).at_run

    assert (place.policy, place.happens) == (policy, RUNS[policy])
    assert place.duplicate
    assert LEASE - 30 < place.free_in <= LEASE


def test_the_holders_are_named_with_the_lock(app):
    task = task_of(app)
    token = hold(task, owner="first", worker="w1@host", state="running")

    [lock] = explained(task).locks
    [holder] = lock.holders

    assert (lock.key, lock.kind, lock.name) == (key_of(task), "key", key_of(task))
    assert (holder.token, holder.owner, holder.task) == (token, "first", task.name)
    assert (holder.state, holder.worker) == ("running", "w1@host")
    assert 0 < holder.remaining <= LEASE
    assert holder.verdict == "unknown"


def test_who_holds_one_of_several_places_is_in_nobodys_way(app):
    task = task_of(app, unique(limit=2))
    store, key = store_of(app), key_of(task)
    for owner, expire in (("first", 30), ("second", 60)):
        assert explained(task).at_run.happens == "runs"
        record = Record(Token.of_attempt(owner), task.name)
        store.acquire(key, record, expire, limit=2)

    answer = explained(task)

    assert answer.limit == 2
    assert [h.owner for h in answer.locks[0].holders] == ["first", "second"]
    assert answer.at_run.happens.endswith("duplicate of first")
    assert answer.at_run.free_in <= 30


@pytest.mark.skipif(not this_process(), reason="no process can be seen here")
def test_a_dead_holder_is_in_nobodys_way(app, sent):
    task = task_of(app)
    hold(task, process=in_fork(this_process), final=True)

    answer = explained(task)

    assert answer.locks[0].holders[0].verdict == "dead"
    assert answer.at_run.happens == "runs"
    assert answer.at_publish.happens == what_happens(task, sent)


def test_a_dead_holder_whose_message_comes_again_is_in_the_way_at_publish(app, sent):
    task = task_of(app)
    hold(task, process=in_fork(this_process), final=False)

    assert explained(task).at_publish.happens == what_happens(task, sent)


@pytest.mark.parametrize(
    "key, option, names",
    [
        (None, "all parameters", ("item", "note")),
        ("{note}", "the template '{note}'", ("note",)),
        (["item"], "these parameters", ("item",)),
        ("nightly", "'nightly'", ()),
        ((), "one key for the task", ()),
    ],
    ids=str,
)
def test_it_says_what_the_key_is_made_of(app, key, option, names):
    task = task_of(app, unique(key=key))

    answer = explained(task, 7, note="secret")

    assert answer.key == key_of(task, 7, note="secret")
    assert (answer.key_option, answer.made_of) == (option, names)
    assert "secret" not in repr(answer)


def by_note(item, note):
    return note


def test_it_names_the_callable_that_makes_the_key(app):
    answer = explained(task_of(app, unique(key=by_note)))

    assert answer.key_option == "the callable by_note, called with all parameters"


def test_a_policy_is_named_as_a_user_writes_it(app):
    policies: Any = {"publish": retry(countdown=5, timeout=60), "run": by_note}
    answer = explained(
        task_of(app, unique(lock="until_executed", on_duplicate=policies))
    )

    assert answer.at_publish.policy == "retry(countdown=5.0, timeout=60.0)"
    assert answer.at_run.policy == "by_note"
    assert answer.at_run.happens == "runs"


def test_a_callable_decides_about_the_duplicate(app):
    task = task_of(app, unique(on_duplicate=by_note_of))
    hold(task)

    happens = explained(task).at_run.happens

    assert happens == "by_note_of decides: it gets the duplicate of holder"


def by_note_of(duplicate):
    return duplicate.kwargs


def test_a_fresh_value_is_shown_and_answers_the_call(app, sent):
    task = task_of(app, unique(lock="until_executed", on_duplicate=cached(ttl=60)))
    assert explained(task).has_value is False
    task.apply()

    answer = explained(task)

    assert (answer.has_value, answer.value) == (True, None)
    assert answer.at_publish.happens == "not sent: the caller gets the stored value"
    assert answer.at_run.happens == "does not run: it returns the stored value"
    assert task.delay().duplicate


def test_to_look_for_a_value_changes_nothing(app):
    task = task_of(app, unique(on_duplicate="cached"))

    assert explained(task).has_value is False
    assert store_of(app).get(key_of(task)) is None


def test_without_cached_it_says_nothing_of_values(app):
    assert explained(task_of(app)).has_value is None


def test_guards_that_are_switched_off_are_named(app):
    app.conf.unique_enabled = False
    task = task_of(app)
    hold(task)

    answer = explained(task)

    assert answer.at_publish.happens == "sent without a lock: unique_enabled is off"
    assert answer.at_run.happens == "runs without a lock: unique_enabled is off"


def test_an_unknown_task_lists_those_that_are_known(app):
    task_of(app, name="known")

    with pytest.raises(UnknownCallError, match="no task 'unknown'.*known"):
        explain(app, "unknown")


def test_a_task_without_a_guard_has_no_locks(app):
    @app.task(name="plain")
    def plain(): ...

    with pytest.raises(UnknownCallError, match="'plain' has no @unique"):
        explain(app, "plain")


def test_arguments_that_do_not_fit_are_an_error(app):
    task = task_of(app)

    with pytest.raises(UnknownCallError, match="do not fit"):
        explained(task, 1, 2, 3)
    with pytest.raises(UnknownCallError, match="work: the arguments cannot be sent"):
        explained(task, object())
