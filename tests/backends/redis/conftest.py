"""Locks in one Redis, which a module may put elsewhere."""

from collections.abc import Iterator

import pytest
from redis import Redis

from unique_task import RedisBackend


@pytest.fixture
def backend(redis_url: str) -> RedisBackend:
    return RedisBackend(redis_url)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client
