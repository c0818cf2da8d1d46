"""The stores of locks that the tests know, and what they put into them."""

from tests.servers.find import SERVERS
from unique_task.backends import backend_class
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired

#: Name of a store -> the fixture that returns its URL, with no lock in it.
STORES = {
    "memory": "memory_url",
    "redis": "redis_url",
    "valkey": "valkey_url",
}
if "redis-6.2" in SERVERS:
    STORES["redis-6.2"] = "redis_6_url"

#: Seconds for which attempts are remembered: more than a test takes.
REMEMBERED = 1000

#: Those of them that have no clock, and so give no fences.
UNFENCED: set[str] = set()

#: Texts that a store may have trouble to keep.
AWKWARD = {
    "empty": "",
    "blanks": " two  words ",
    "line ends": "one\ntwo\r\n",
    "slashes": "a/7/b",
    "percents": "100%20%",
    "braces": "{a}{b}",
    "unicode": "ünïcödé \u2028 ☃",
    "nul": "a\0b",
    "long": "x" * 300,
}


def open_store(url: str) -> Backend:
    return backend_class(url).from_url(url, timeout=2)


def record_of(
    owner: str, retries: int = 0, nesting: int = 0, message: str = ""
) -> Record:
    """A delivery of an attempt of the task with the id `owner`; no two are the same."""
    token = Token.of_attempt(owner, retries, nesting, message)
    return Record(str(token), "shop.charge", "celery@host/42")


def redelivered(record: Record) -> Record:
    """What the next delivery of the same message would hold the lock with."""
    token = Token.parse(record.token)
    return record_of(token.owner, token.retries, token.nesting, token.message)


FIRST = record_of("first")
SECOND = record_of("second")

#: Attempts that have something in common with the first one of the task "first".
OTHERS = {
    "a retry": record_of("first", retries=1),
    "a replacement": record_of("first", nesting=1),
    "a retry and a replacement": record_of("first", retries=1, nesting=1),
    "another message": record_of("first", message="0badcafe"),
    "another task": record_of("second"),
    "a task with a longer id": record_of("first/0"),
}


def admit(backend: Backend, record: Record = FIRST, once: float = REMEMBERED) -> None:
    """Give an attempt the lock, which it loses at once."""
    assert isinstance(backend.acquire("key", record, 10, once=once), Acquired)
    assert backend.release("key", record.token)
