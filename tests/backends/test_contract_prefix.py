"""Two projects in one store, each under a prefix of its own."""

import pytest

from tests.backends.stores import FIRST, ONE, REMEMBERED, SECOND, TWO, reserve
from unique_task import ConfigurationError, RedisBackend
from unique_task.backends.prefixed import LONGEST, checked_prefix
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed, Reserved

LONG = "a prefix:" + "x" * (LONGEST - 9)


@pytest.fixture(params=["shop:", "{shop}:", LONG, "Läden ☃"])
def prefix(request: pytest.FixtureRequest) -> str:
    return checked_prefix("prefix", request.param)


def test_two_projects_share_no_locks(backend, prefix):
    own = backend.with_prefix(prefix)
    backend.acquire("key", FIRST, expire=10)

    assert own.get("key") is None
    assert isinstance(own.acquire("key", SECOND, expire=10), Acquired)
    assert isinstance(own.acquire("key", FIRST, expire=10), Held)
    assert own.renew([Renewal("key", SECOND, None, 20)]) == [Renewed.HELD]
    assert not backend.release("key", SECOND.token)
    assert own.release("key", SECOND.token)
    assert backend.get("key").record.token == FIRST.token


def test_two_projects_share_no_values_and_no_marks(backend):
    one, other = backend.with_prefix("one:"), backend.with_prefix("other:")
    one.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    one.release("key", FIRST.token, value=b"one", fresh_for=60, finished_for=REMEMBERED)

    answer = other.acquire(
        "key", FIRST, expire=10, accept_value=True, remember_for=REMEMBERED
    )

    assert isinstance(answer, Acquired)
    assert not answer.admitted


def test_no_message_takes_the_place_of_one_of_another_project(backend):
    one, other = backend.with_prefix("one:"), backend.with_prefix("other:")
    first = reserve(one, ONE)

    assert reserve(other, TWO).replaced is None
    two = reserve(one, TWO)
    assert isinstance(two, Reserved)
    assert one.restore("key", TWO.token, two.replaced)
    assert one.get("key").record.fence == first.fence


def test_each_prefix_has_a_fingerprint_and_none_has_that_of_the_store(backend):
    stores = [backend, backend.with_prefix("one:"), backend.with_prefix("other:")]

    assert backend.with_prefix("") is backend
    assert backend.with_prefix("one:") is stores[1]
    assert len({store.fingerprint for store in stores}) == 3
    assert "one:" in stores[1].name


def test_a_store_under_a_prefix_passes_its_check(backend):
    backend.with_prefix("shop:").check()


def test_a_user_of_redis_may_have_the_right_to_the_prefix_only(redis_url, redis_server):
    client = redis_server.client
    rights = {"keys": ["shop:*"], "commands": ["+@all"]}
    client.acl_setuser("shop", enabled=True, passwords=["+sesame"], **rights)
    whole = RedisBackend(redis_url.replace("redis://", "redis://shop:sesame@"))

    whole.with_prefix("shop:").check()
    with pytest.raises(Exception, match="keys that begin with 'unique:'"):
        whole.check()
    client.acl_deluser("shop")


@pytest.mark.parametrize("prefix", [3, "x" * (LONGEST + 1), "a\nb", "a{}", b"a"])
def test_what_no_store_could_use_is_an_error(prefix):
    with pytest.raises(ConfigurationError, match="unique_key_prefix="):
        checked_prefix("unique_key_prefix", prefix)
