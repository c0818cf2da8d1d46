"""Text that others may write is read in time that grows with its length alone."""

import pytest

from tests.programs import run_python

pytestmark = pytest.mark.any_celery

#: As in a header that kept the parent of a worker busy for minutes, and worse.
READ_ALL = """
from unique_task.backends.registry import can_hold_locks
from unique_task.backends.memcached.url import servers
from unique_task.backends.safe_names import without_password
from unique_task.backends.record import Record, Token
from unique_task.backends.redis.errors import _KINDS, _WORDS
from unique_task.backends.sql.errors import _REFUSED_WORDS
from unique_task.exceptions import UniqueError
from unique_task.messages.lock_header import LockHeader
from unique_task.messages.stamp import MESSAGE_HEADER, LOCK_HEADER, nonce_and_age
from unique_task.keys.digest import digest_of_source


def header(text):
    for name in ("key", "token", "source", "store", "namespace", "given", "lock"):
        lock = {"id": "1", "message": text, "namespace": "work", name: text}
        LockHeader.of({"id": "1", MESSAGE_HEADER: text, LOCK_HEADER: lock})


def record(text):
    for form in (f"1 5 {text}", f"1 {text} a/0/0/b/c running w t p", text):
        Record.parse(form)


READERS = [
    *(header, record, nonce_and_age, can_hold_locks, servers, without_password),
    *(_KINDS.findall, _WORDS.search, _REFUSED_WORDS.search),
    lambda text: Token.belongs_to(text, "owner"),
    lambda text: digest_of_source("work", text),
    lambda text: without_password(f"redis://{text}@"),
    lambda text: can_hold_locks(f"redis://{text}@"),
    lambda text: servers(f"memcached://{text}"),
]
PARTS = ["/", ";", "@", ":", "a", "a/", ";a", "a;", "://", "1", "A", "A ", ";redis://"]
PARTS += ["[", ".", "%", "-", "db+", "%2F", "0/", ";a://", "AError", "+", "\\n", "="]

for read in READERS:
    for part in PARTS:
        for text in (part * 50_000, part * 50_000 + "!", part * 50_000 + "\\u00e9"):
            try:
                read(text)
            except (UniqueError, ValueError):
                pass
print("done")
"""


def test_long_hostile_text_keeps_nobody_busy():
    done = run_python(READ_ALL)

    assert (done.stdout, done.stderr) == ("done\n", "")
