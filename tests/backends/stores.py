"""The stores of locks that the tests know, and what they put into them."""

from tests.servers.find import SERVERS
from unique_task.backends import backend_class
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token

#: Name of a store -> the fixture that returns its URL, with no lock in it.
STORES = {
    "memory": "memory_url",
    "redis": "redis_url",
    "valkey": "valkey_url",
}
if "redis-6.2" in SERVERS:
    STORES["redis-6.2"] = "redis_6_url"

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


def record_of(owner: str, retries: int = 0, nesting: int = 0) -> Record:
    """An attempt of the task with the id `owner`; no two are the same."""
    token = Token.of_attempt(owner, retries, nesting)
    return Record(str(token), "shop.charge", "celery@host/42")


FIRST = record_of("first")
SECOND = record_of("second")
