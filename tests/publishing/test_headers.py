"""Which headers say something of a message's lock; anybody may write headers."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.inprocess import value_of
from tests.published_calls import holder, key_of, record_at, task_of
from tests.waiting import wait_until
from unique_task import (
    ConfigurationError,
    MemoryBackend,
    UniqueKeyError,
    skip,
    unique,
)
from unique_task.backends.record import Record
from unique_task.messages.lock_header import LockHeader
from unique_task.messages.stamp import LOCK_HEADER, MESSAGE_HEADER, stamping

pytest_plugins = "tests.inprocess_fixtures"

KEY = "0123456789abcdef" * 2
TOKEN = "task-1/0/0/aaaaaaaa/nonce"

GOOD: dict[str, Any] = {
    "id": "task-1",
    "message": "aaaaaaaa-1",
    "namespace": "work",
    "key": KEY,
    "token": TOKEN,
    "generation": 5,
    "until": 1.5,
    "store": "abcd",
}


def read(lock: Any, **message: Any) -> LockHeader | None:
    return LockHeader.of(
        {"id": "task-1", MESSAGE_HEADER: "aaaaaaaa-1", LOCK_HEADER: lock, **message}
    )


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_a_header_comes_out_as_it_went_in():
    published = LockHeader(**GOOD)

    assert published.header() == GOOD
    assert read(published.header()) == published


def test_what_says_nothing_is_left_out():
    published = LockHeader("task-1", "aaaaaaaa-1", "work")

    assert set(published.header()) == {"id", "message", "namespace"}
    assert read(published.header()) == published
    assert LockHeader("a", "b", "c", unique=False).header()["unique"] is False


@pytest.mark.parametrize("name", ["key", "token", "generation", "until", "store"])
def test_what_need_not_be_said_may_lack(name):
    assert read(without(name)) is not None


def test_a_field_of_a_version_to_come_does_not_hide_the_others():
    assert read({**GOOD, "colour": "red"}) == LockHeader(**GOOD)


def test_a_message_without_the_header_says_nothing():
    assert LockHeader.of({"id": "task-1", MESSAGE_HEADER: "aaaaaaaa-1"}) is None


FORWARDED = {
    "to another task": {"id": "task-2"},
    "with another message of the task": {MESSAGE_HEADER: "bbbbbbbb-2"},
    "with a message that has no mark": {MESSAGE_HEADER: None},
}


@pytest.mark.parametrize("message", FORWARDED.values(), ids=FORWARDED)
def test_a_header_that_came_with_another_message_is_not_honoured(message):
    assert read(GOOD, **message) is None


WRONG_KEYS: list[Any] = [3, "", KEY[1:], KEY + "0", KEY + "\n", [KEY], int("1" * 32)]

WRONG: list[Any] = [
    *("", "text", 3, 1.5, True, [], [1], {}, [["id", "task-1"]], {1: 2}),
    *(without("id"), without("message"), without("namespace")),
    *({**GOOD, "namespace": value} for value in (None, 3, ["work"])),
    *({**GOOD, "key": value} for value in WRONG_KEYS),
    *(
        {**GOOD, "token": value}
        for value in (
            *(3, "", "task-1", TOKEN + "\n", TOKEN + " x", "a b/0/0//c", [TOKEN]),
            *("task-1/0/0//\u00e9", {"a": TOKEN}, [["a/0/0/b/c"]], "/" * 5 + " "),
        )
    ),
    *({**GOOD, "generation": value} for value in ("5", 1.5, [5])),
    *({**GOOD, "until": value} for value in ("soon", None, [1])),
    *({**GOOD, "store": value} for value in (3, None, ["a"])),
    *({**GOOD, "id": value} for value in (None, ["task-1"], 1)),
    *({**GOOD, "message": value} for value in (None, "", ["aaaaaaaa-1"])),
]


@pytest.mark.parametrize("lock", WRONG, ids=range(len(WRONG)))
def test_a_header_of_another_form_is_not_honoured(lock):
    assert read(lock) is None


# In a worker


@pytest.fixture
def work(worker_app):
    worker_app.conf.unique_backend = MemoryBackend()

    @worker_app.task(name="work")
    @unique(lock="until_executed", on_duplicate=skip("skipped"))
    def work(item=1):
        return "ran"

    return work


def sent_by_hand(task: Any, lock: Any, task_id: str = "by-hand") -> Any:
    """Publish as one who does not know the library, with a header of his own."""
    headers = {MESSAGE_HEADER: "aaaaaaaa-1", LOCK_HEADER: lock}
    message = task.app.amqp.as_task_v2(task_id, task.name, (1,))
    with task.app.producer_or_acquire() as producer:
        with stamping(task_id, headers):
            task.app.amqp.send_task_message(producer, task.name, message)
    return task.AsyncResult(task_id)


@pytest.mark.parametrize("lock", WRONG, ids=range(len(WRONG)))
def test_a_worker_runs_a_message_whose_header_it_does_not_honour(work, lock, request):
    task_id = f"by-hand-{request.node.callspec.id}"
    if isinstance(lock, dict) and lock.get("id") == "task-1":
        lock = {**lock, "id": task_id}

    assert value_of(sent_by_hand(work, lock, task_id)) == "ran"
    wait_until(lambda: holder(work, 1) is None)


def test_a_token_that_never_was_reserved_takes_over_no_lock(work):
    store = work.app.conf.unique_backend
    store.acquire(key_of(work, 1), Record("other/0/0//a"), 60)
    lock = {**GOOD, "id": "stranger", "key": key_of(work, 1), "generation": None}

    result = sent_by_hand(work, {**lock, "until": 0}, "stranger")

    assert value_of(result) == "skipped"
    assert holder(work, 1).owner == "other"


def test_a_header_of_another_namespace_gives_no_key_and_no_lock(work):
    lock = {**GOOD, "id": "moved", "namespace": "elsewhere"}
    record_before = record_at(work.app, KEY)

    assert value_of(sent_by_hand(work, lock, "moved")) == "ran"
    assert record_at(work.app, KEY) is record_before is None


@pytest.mark.parametrize(
    "said", [{"colour": 1}, {"expire": "soon"}, {"on_duplicate": "fly"}, "yes", 3, [1]]
)
def test_a_message_that_says_what_the_worker_does_not_know_fails(work, said, request):
    task_id = f"unknown-{request.node.callspec.id}"
    lock = {**without("token"), "id": task_id, "generation": None, "unique": said}

    with pytest.raises(ConfigurationError):
        value_of(sent_by_hand(work, lock, task_id))
    assert value_of(work.delay()) == "ran"


def test_a_lock_in_another_store_is_an_error(work):
    work.app.conf.unique_backend, elsewhere = MemoryBackend(), MemoryBackend()
    lock = {**GOOD, "id": "elsewhere", "until": 9e9, "store": elsewhere.fingerprint}
    lock.pop("generation", None)

    with pytest.raises(ConfigurationError, match="in another store than memory://"):
        value_of(sent_by_hand(work, lock, "elsewhere"))


def test_what_a_user_writes_into_the_header_is_written_over(app, sent):
    result = task_of(app).apply_async(
        headers={LOCK_HEADER: GOOD, MESSAGE_HEADER: "mine"}
    )

    assert sent.last.lock["id"] == result.id
    assert sent.last.headers[MESSAGE_HEADER] != "mine"


@pytest.mark.parametrize("task_id", [UUID(int=7), 7, 7.5, "№ 7/é"], ids=repr)
def test_a_lock_goes_with_the_message_whatever_the_id_is(app, sent, task_id):
    work = task_of(app)

    for key, call in enumerate([work.apply_async, partial(app.send_task, "work")]):
        call(task_id=task_id, ignore_result=True, unique_key=key)
        published = LockHeader.of(sent.last.headers)
        assert published is not None and published.token

    app.send_task("elsewhere", task_id=task_id, ignore_result=True, unique_key=5)
    published = LockHeader.of(sent.last.headers)
    assert published is not None and published.given == 5


@pytest.mark.parametrize("task_id", [UUID(int=7), 7], ids=repr)
def test_an_eager_call_says_what_it_says_whatever_its_id_is(app, task_id):
    work = task_of(app, unique(on_duplicate="raise"))

    with pytest.raises(UniqueKeyError):
        work.apply((object,), task_id=task_id, throw=True)
    assert work.apply((object,), task_id=task_id, throw=True, unique=False).successful()
