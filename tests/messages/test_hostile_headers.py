"""What somebody who can publish cannot do: he writes any header, and no record."""

import time
from typing import Any

import pytest

from tests.inprocess import value_of
from tests.published_calls import holder, key_of, store_of
from tests.waiting import wait_until
from unique_task import (
    ConfigurationError,
    MemoryBackend,
    UniqueCeleryTask,
    retry,
    skip,
    unique,
)
from unique_task.backends.record import Record
from unique_task.keys.digest import source_of
from unique_task.messages.bounds import LONGEST, LONGEST_PAUSE, SHORTEST_PAUSE
from unique_task.messages.lock_header import LockHeader
from unique_task.messages.stamp import (
    LOCK_HEADER,
    MESSAGE_HEADER,
    WAIT_HEADER,
    stamping,
)
from unique_task.messages.waited import Waited
from unique_task.options.call_options import CallOptions
from unique_task.options.guarded_class import GUARDED
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

MARK = "aaaaaaaa-1"


@pytest.fixture
def app(worker_app):
    worker_app.conf.unique_backend = MemoryBackend()
    return worker_app


def sent_by_hand(task: Any, args: Any = (), **headers: Any) -> Any:
    """Publish as one who writes the headers himself."""
    task_id = headers[LOCK_HEADER]["id"]
    message = task.app.amqp.as_task_v2(task_id, task.name, args)
    with task.app.producer_or_acquire() as producer:
        with stamping(task_id, {MESSAGE_HEADER: MARK, **headers}):
            task.app.amqp.send_task_message(producer, task.name, message)
    return task.AsyncResult(task_id)


def lock_of(task: Any, task_id: str, **fields: Any) -> dict[str, Any]:
    named = {"id": task_id, "message": MARK, "namespace": task.name}
    return {LOCK_HEADER: {**named, **fields}}


# Keys of others


#: How a header may name a key that is not one of its task.
NAMED: dict[str, Any] = {
    "followed": {},
    "given": {"own_key": True},
    "with a source": {"own_key": True, "source": source_of("mine")},
    "with a token": {"token": "{id}/0/0/aaaaaaaa/nonce"},
    "given with a token": {"own_key": True, "token": "{id}/0/0/aaaaaaaa/nonce"},
}


@pytest.mark.parametrize("lock", LOCK_TYPES)
@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_a_message_cannot_lock_a_key_of_another_task(app, gate, named, lock):
    @app.task
    @unique(lock="until_executed")
    def victim(): ...

    @app.task
    @unique(key="{item}", lock=lock)
    def harmless(item):
        gate.hold()

    task_id = f"{lock}-{sorted(named)}".replace(" ", "")
    named = {name: _filled(value, task_id) for name, value in named.items()}
    fields = {"key": key_of(victim), "until": time.time() + 1e6, **named}
    fields["store"] = store_of(app).fingerprint

    result = sent_by_hand(harmless, (1,), **lock_of(harmless, task_id, **fields))
    gate.wait_for_arrival()
    locked = holder(victim), holder(victim, pending=".pending")
    gate.open()

    value_of(result)
    assert locked == (None, None)
    assert not victim.delay().duplicate


def _filled(value: Any, task_id: str) -> Any:
    return value.replace("{id}", task_id) if isinstance(value, str) else value


def test_a_message_cannot_replace_a_cached_value_of_another_task(app):
    runs = []

    @app.task
    @unique(on_duplicate="cached")
    def victim():
        runs.append("run")
        return "its own"

    @app.task
    @unique
    def harmless():
        return "another"

    value_of(victim.delay())
    said = {
        "key": key_of(victim),
        "own_key": True,
        "unique": {"on_duplicate": "cached"},
    }
    value_of(sent_by_hand(harmless, **lock_of(harmless, "replacing", **said)))

    assert value_of(victim.delay()) == "its own"
    assert runs == ["run"]


def test_a_token_of_another_task_takes_over_no_lock(app):
    @app.task
    @unique(lock="until_executed", on_duplicate=skip("skipped"))
    def work(): ...

    token = "other/0/0/bbbbbbbb/nonce"
    store_of(app).acquire(key_of(work), Record(token), 60)
    waited = {"sent": MARK, "message": MARK, "times": 1, "since": 1, "admitted": False}
    wait = {WAIT_HEADER: {**waited, "unanswered": [token]}}
    lock = lock_of(work, "mine", key=key_of(work), token=token)

    assert value_of(sent_by_hand(work, **lock, **wait)) == "skipped"
    assert holder(work).owner == "other"


# Keys that nobody but their publisher can make


def test_code_of_the_users_makes_a_key_once(app):
    made: list[int] = []

    def count(item):
        made.append(item)
        return len(made)

    @app.task
    @unique(key=count, lock="until_executed")
    def work(item): ...

    value_of(work.delay(1))

    assert made == [1]


class ByClass(UniqueCeleryTask):
    abstract = True
    unique_options = {"lock": "until_executed"}
    made: list[int] = []

    def generate_lock_id(self, item: Any) -> Any:
        self.made.append(item)
        return len(self.made)


def test_a_class_makes_a_key_once(app):
    @app.task(base=ByClass)
    def work(item): ...

    value_of(work.delay(1))

    assert ByClass.made == [1]


OLDER: dict[str, Any] = {"followed": {}, "given": {"own_key": True}}


@pytest.mark.parametrize("older", OLDER.values(), ids=OLDER)
def test_a_message_of_an_older_version_has_its_lock(app, gate, older):
    """It says nothing of how its key was made, but the store knows it."""

    @app.task
    @unique(key=lambda: time.time(), lock="until_executed")
    def work():
        gate.hold()

    key, token = "0123456789abcdef" * 2, "old/0/0/aaaaaaaa/nonce"
    store = store_of(app)
    store.reserve(key, Record(token, work.name, state="pending"), 60)
    lock = lock_of(work, "old", key=key, token=token, store=store.fingerprint, **older)

    result = sent_by_hand(work, **lock)
    gate.wait_for_arrival()
    held = store.get(key)
    gate.open()

    assert held is not None
    assert (held.record.owner, held.record.state) == ("old", "running")
    value_of(result)
    wait_until(lambda: store.get(key) is None)


# Numbers


def test_a_message_asks_for_no_lock_without_end():
    said = CallOptions.of_header(
        {
            "expire": 136 * 366 * 86400,
            "on_duplicate": {"retry": {"maximum": 1e9, "timeout": 1e9}},
        }
    )
    kept = CallOptions.of_header({"on_duplicate": {"cached": {"ttl": 1e9}}})

    assert said.options and kept.options
    assert said.options["expire"] == LONGEST
    assert said.options["on_duplicate"]["run"].maximum == LONGEST_PAUSE
    assert kept.options["on_duplicate"]["run"].ttl == LONGEST


@pytest.mark.parametrize(
    "parameters",
    [
        {"countdown": 0, "maximum": 0},
        {"countdown": -1},
        {"countdown": float("nan")},
        {"maximum": "1"},
        {"backoff": 0},
        {"backoff": float("inf")},
        {"backoff": 10**400},
        {"jitter": 2},
        {"timeout": -1},
    ],
    ids=str,
)
def test_a_message_that_asks_for_waits_that_make_no_sense_is_refused(parameters):
    with pytest.raises(ConfigurationError):
        CallOptions.of_header({"on_duplicate": {"retry": parameters}})


def test_a_call_that_asks_for_more_than_a_message_may_say_is_an_error(app):
    @app.task
    @unique
    def work(): ...

    with pytest.raises(ConfigurationError, match="2678400 seconds at most"):
        work.apply_async(unique={"expire": LONGEST + 1})


def test_a_task_itself_may_hold_a_lock_for_longer(app):
    @app.task
    @unique(expire=2 * LONGEST, lock="until_expired")
    def work(): ...

    work.delay()

    held = store_of(app).get(key_of(work))
    assert held is not None and held.remaining > LONGEST


FIELDS: dict[str, list[Any]] = {
    "generation": [-1, 2**63, 10**400, float("nan"), float("inf"), True],
    "until": [-1, 1e300, 10**400, float("nan"), float("inf"), True],
    "lock": [[], {}, ["until_executed"], 3, True, 256 * "u"],
    "source": ["?", "a", 3, "\u00e9"],
    "shadow": ["all", 3, [], {"token": "?"}, {"until": -1}, {"lock": []}, {"store": 3}],
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_header_with_what_makes_no_sense_is_not_honoured(name):
    message = {"id": "1", MESSAGE_HEADER: MARK}
    lock = {"id": "1", "message": MARK, "namespace": "work"}

    for value in FIELDS[name]:
        assert LockHeader.of({**message, LOCK_HEADER: {**lock, name: value}}) is None


def test_a_lock_type_of_a_newer_version_voids_the_lock_and_not_the_key(app):
    @app.task
    @unique(lock="until_executed")
    def work(n): ...

    spec = getattr(work, GUARDED).spec
    token = "1/0/0/aaaaaaaa/nonce"
    newer = {"lock": "until_doomsday", "token": token, "key": 32 * "a"}
    own = {**newer, "own_key": True, "source": source_of("mine")}
    computed, given = spec.digest(work, (1,), {}), spec.digest_of(work, "mine")

    for fields, key in ((newer, computed), (own, given)):
        message = {"id": "1", MESSAGE_HEADER: MARK, **lock_of(work, "1", **fields)}
        call_plan = spec.call_plan(work, LockHeader.of(message), (1,), {})
        assert call_plan.key == key
        assert call_plan.published.token is None


class Request:
    """Of a message with such a header of waits."""

    def __init__(self, **waited: Any) -> None:
        good = {"times": 2, "since": 5.0, "admitted": False, "unanswered": []}
        self.id = "1"
        self.unique_task_message = MARK
        self.unique_task_wait = {"sent": MARK, "message": MARK, **good, **waited}


@pytest.mark.parametrize(
    "waited",
    [
        *({"times": value} for value in ("2", 1.5, None)),
        *({"since": value} for value in (-1, float("nan"), "5", None)),
        *({"unanswered": value} for value in ("1/0/0/a/b", None, 3)),
    ],
    ids=str,
)
def test_waits_that_make_no_sense_do_not_count(waited):
    assert Waited.of(Request()).times == 2
    assert Waited.of(Request(**waited)).times == 0


def test_waits_are_counted_within_bounds():
    own, other = "1/0/0/a/b", "2/0/0/a/b"

    assert Waited.of(Request(times=-5)).times == 0
    assert Waited.of(Request(times=10**400)).times == 10**6
    assert Waited.of(Request(since=9e12)).since <= time.time()
    assert Waited.of(Request(unanswered=[other, own])).unanswered == (own,)
    assert len(Waited.of(Request(unanswered=[own] * 10**5)).unanswered) == 5


# Storms


@pytest.mark.parametrize("by_message", [False, True], ids=["task", "message"])
def test_nobody_waits_in_a_storm_of_messages(app, gate, sent, by_message):
    tiny = retry(countdown=1e-6, maximum=1e-6)
    policy: Any = {} if by_message else {"on_duplicate": tiny}

    @app.task
    @unique(**policy)
    def work():
        gate.hold()

    with gate.holding(work.delay().get):
        start = time.time()
        said: Any = {"unique": {"on_duplicate": tiny}} if by_message else {}
        duplicate = work.apply_async(**said)
        wait_until(lambda: len(sent.of(duplicate.id)) > 5)
        # The last of them may not have arrived yet.
        assert time.time() - start > 4 * SHORTEST_PAUSE
    value_of(duplicate)
