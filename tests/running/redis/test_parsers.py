"""Answers of Redis are read by each parser of redis-py.

The environment with the oldest Celery has hiredis; the other one has not.
"""

from pathlib import Path
from typing import Any

import pytest
from redis import _parsers as parsers
from redis.utils import HIREDIS_AVAILABLE

from tests.servers import RedisServer
from tests.servers.certificate import Certificate
from unique_task import RedisBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired

pytest_plugins = "tests.inprocess_fixtures"

PARSERS: dict[str, Any] = {"Python": getattr(parsers, "_RESP2Parser")}
if HIREDIS_AVAILABLE:
    PARSERS["hiredis"] = getattr(parsers, "_HiredisParser")

#: Looks like a part of an answer, and is longer than what is read at once.
VALUE = "\0\r\n$7\r\n" * 20_000


def by(parser: str, url: str) -> Any:
    backend: Any = RedisBackend(url)
    pool = backend._client.driver._pool
    pool.connection_kwargs["parser_class"] = PARSERS[parser]
    return backend


@pytest.mark.parametrize("parser", PARSERS)
def test_a_stored_value_is_the_same_by_each_parser(app, redis_url, parser):
    app.conf.unique_backend = by(parser, redis_url)
    runs = []

    @app.task(shared=False)
    @unique(on_duplicate="cached")
    def answer(number):
        runs.append(number)
        return VALUE

    assert [answer.apply(args=(number,)).get() for number in (1, 1, 2)] == [VALUE] * 3
    assert runs == [1, 2]


@pytest.mark.parametrize("parser", PARSERS)
def test_a_lock_is_taken_over_each_new_connection_with_tls(tmp_path: Path, parser: str):
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        for number in range(20):
            record = Record(Token.of_attempt(f"task {number}"))

            taken = by(parser, server.url).acquire(f"key {number}", record, expire=10)

            assert isinstance(taken, Acquired)
