"""Locks behind Sentinels: fail-over, and the URL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.sentinel import Sentinel

from tests.backends.stores import FIRST, LEASE, PATIENCE, SECOND, connect, in_time
from tests.forking import in_fork
from tests.servers import Proxy, Sentinels, sentinels
from tests.servers.process import HOST
from tests.servers.sentinel_server import MASTER_NAME
from tests.waiting import wait_until
from unique_task import (
    ConfigurationError,
    LockStoreError,
    LockStoreRefusedError,
    RedisBackend,
)
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed

BAD_URLS = {
    "no master": "sentinel://:sesame@one:26379/0;sentinel://:sesame@two:26379/0",
    "no port": "sentinel://:sesame@one:port/0?master_name=mymaster",
    "no host": "sentinel://:sesame@[one/0?master_name=mymaster",
    "no number": "sentinel://:sesame@one/0?master_name=m&min_other_sentinels=many",
    "a slash": "sentinel://:ses/ame@one/0?master_name=mymaster",
}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Sentinels]:
    """Servers for one test that ends some of them."""
    with sentinels(tmp_path) as servers:
        yield servers


@pytest.fixture
def backend(own: Sentinels) -> RedisBackend:
    return RedisBackend(own.url)


def replace_master(servers: Sentinels) -> None:
    servers.master.kill()
    servers.wait_for_promotion()


# Fail-over


def test_a_lock_that_was_copied_is_held_on_after_a_fail_over(own, backend):
    taken = backend.acquire("key", FIRST, expire=60)
    own.wait_for_replica()
    replace_master(own)

    assert backend.renew([Renewal("key", FIRST, taken.fence, 60)]) == [Renewed.HELD]
    assert isinstance(backend.acquire("key", SECOND, expire=60), Held)
    assert backend.release("key", FIRST.token)


def test_of_several_sentinels_one_may_be_down_as_well(tmp_path):
    with sentinels(tmp_path, count=3) as servers:
        backend: Any = RedisBackend(servers.url)
        taken = backend.acquire("key", FIRST, expire=60)
        servers.wait_for_replica()
        servers.sentinels.pop(0).kill()
        replace_master(servers)

        assert isinstance(backend.acquire("key", SECOND, expire=60), Held)
        assert backend.renew([Renewal("key", FIRST, taken.fence, 60)]) == [Renewed.HELD]
        assert isinstance(RedisBackend(servers.url).get("key"), Held)


def test_a_lock_that_was_not_copied_is_lost_to_another(own, backend):
    own.master.client.execute_command("ACL SETUSER", "default", "-psync", "-sync")
    own.master.client.client_kill_filter(_type="slave")
    lost = backend.acquire("key", FIRST, expire=60)
    replace_master(own)

    taken = backend.acquire("key", SECOND, expire=60)

    assert isinstance(taken, Acquired)
    assert taken.fence > lost.fence
    assert backend.renew([Renewal("key", FIRST, lost.fence, 60)]) == [Renewed.TAKEN]
    assert not backend.release("key", FIRST.token)


def test_a_master_that_comes_back_is_not_asked_any_more(own, backend):
    backend.acquire("key", FIRST, expire=60)
    own.wait_for_replica()
    replace_master(own)
    own.master.start()

    assert isinstance(backend.acquire("key", SECOND, expire=60), Held)


def test_a_master_that_was_made_a_replica_is_left_at_once(own, backend):
    # By hand, which leaves its connections open.
    backend.acquire("other", FIRST, expire=60)
    own.wait_for_replica()
    own.sentinels[0].client.execute_command("SENTINEL FAILOVER", MASTER_NAME)
    own.wait_for_promotion()
    own.master.client.replicaof(HOST, own.replica.port)

    assert backend.renew([Renewal("other", FIRST, 1, 60)]) == [Renewed.HELD]
    assert isinstance(backend.acquire("key", FIRST, expire=60), Acquired)
    assert own.replica.client.exists("unique:{key}")


def test_while_no_master_is_known_each_operation_ends_in_time(own):
    backend = RedisBackend(own.url, timeout=0.4)
    connect(backend)
    own.replica.pause()
    own.master.pause()

    # The Sentinels take it for the master at first, and later for none.
    assert_ends_in_time(backend, 0.4)
    wait_until(lambda: "o_down" in own.sentinels[0].master()["flags"])
    assert_ends_in_time(backend, 0.4)


def test_without_any_sentinel_each_operation_ends_in_time(own):
    backend = RedisBackend(own.url, timeout=0.4)
    own.sentinels[0].pause()

    assert_ends_in_time(backend, 0.4)


def test_sentinels_that_hang_leave_time_for_one_that_answers(redis_sentinels):
    url = redis_sentinels.url
    with Proxy(f"sentinel://{HOST}:{redis_sentinels.sentinels[0].port}") as silent:
        silent.hang()
        backend = RedisBackend(f"{silent.url};{url}", timeout=8)

        assert isinstance(backend.acquire("hung", FIRST, expire=1), Acquired)


def assert_ends_in_time(backend: RedisBackend, timeout: float) -> None:
    with in_time(timeout), pytest.raises(LockStoreError):
        backend.acquire("key", FIRST, expire=10)


# The URL


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_a_url_that_cannot_be_used_is_an_error_without_the_password(url):
    with pytest.raises(ConfigurationError) as error:
        RedisBackend(url)

    assert "sesame" not in str(error.value)
    assert "ses/ame" not in str(error.value)


def test_a_url_without_a_master_says_how_to_name_it():
    with pytest.raises(ConfigurationError, match=r"\?master_name=mymaster"):
        RedisBackend("sentinel://one:26379/0")


def test_the_name_shows_all_sentinels_and_no_password():
    backend = RedisBackend(
        "sentinel://:sesame@one:1/2;sentinel://:sesame@two:2/2?master_name=mymaster"
    )

    assert backend.name == "sentinel://:**@one:1/2;sentinel://:**@two:2/2"


def test_one_store_is_the_same_in_whatever_order_its_sentinels_are_named():
    one = RedisBackend("sentinel://one;sentinel://two/0?master_name=shop")
    same = RedisBackend("sentinel://two:26379;sentinel://one/?master_name=shop")

    assert one.fingerprint == same.fingerprint


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://one/0?master_name=other",
        "sentinel://one/1?master_name=shop",
        "sentinel://two/0?master_name=shop",
        "redis://one/0",
    ],
)
def test_another_master_database_or_sentinel_is_another_store(url):
    one = RedisBackend("sentinel://one/0?master_name=shop")

    assert RedisBackend(url).fingerprint != one.fingerprint


def test_an_unknown_master_is_a_store_error_that_names_it(redis_sentinels):
    backend = RedisBackend(f"{redis_sentinels.bare_url}?master_name=nobody")

    with pytest.raises(LockStoreError, match="No master found for 'nobody'"):
        backend.get("key")


def test_sentinels_and_their_master_have_passwords_of_their_own(own):
    own.master.client.config_set("requirepass", "sesame")
    [sentinel] = own.sentinels
    sentinel.client.execute_command("SENTINEL SET", MASTER_NAME, "auth-pass", "sesame")
    sentinel.client.acl_setuser("default", enabled=True, passwords=["+another"])
    sentinel.client.close()

    with_both = own.url.replace("://", "://:sesame@") + "&sentinel_password=another"
    without = own.url.replace("://", "://:sesame@")

    assert isinstance(RedisBackend(with_both).acquire("key", FIRST, 9), Acquired)
    with pytest.raises(LockStoreError, match="uthentication"):
        RedisBackend(without).acquire("key", FIRST, 9)


def test_a_client_of_your_own_is_used(redis_sentinels, sentinel_url):
    make: Any = Sentinel
    own = make([(HOST, redis_sentinels.sentinels[0].port)])
    client = own.master_for(MASTER_NAME, socket_timeout=PATIENCE)
    with client:
        backend = RedisBackend(client=client)

        assert isinstance(backend.acquire("key", FIRST, 9), Acquired)
        assert backend.renew([Renewal("key", FIRST, 1, 9)]) == [Renewed.HELD]
    assert backend.fingerprint == RedisBackend(sentinel_url).fingerprint
    for sentinel in own.sentinels:
        sentinel.close()


def test_a_client_survives_a_fork(sentinel_url):
    backend = RedisBackend(sentinel_url)
    backend.acquire("key", FIRST, expire=LEASE)

    refused = in_fork(lambda: backend.acquire("key", SECOND, expire=LEASE))

    assert isinstance(refused, Held)
    assert backend.release("key", FIRST.token)


def test_a_wrong_password_of_all_sentinels_is_a_refusal(own):
    for sentinel in own.sentinels:
        sentinel.client.execute_command(
            *("ACL SETUSER", "default", "resetpass", ">sesame")
        )
    wrong = f"{own.url}&sentinel_password=another"

    with pytest.raises(LockStoreRefusedError, match="AuthenticationError") as error:
        RedisBackend(wrong).check()

    assert "another" not in str(error.value)
    assert error.value.__cause__ is not None
    assert "another" not in str(error.value.__cause__)
