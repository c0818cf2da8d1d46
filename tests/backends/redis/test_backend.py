"""Locks in Redis: URLs, clients, forks."""

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.backends.stores import FIRST, LEASE, PATIENCE, record_of
from tests.forking import Fork, in_fork
from tests.servers import RedisServer
from tests.servers.certificate import Certificate
from unique_task import ConfigurationError, LockStoreError, RedisBackend
from unique_task.backends.redis.url import client_url
from unique_task.backends.steps import Acquired, Held

URLS = {
    "redis://localhost": "redis://localhost",
    "redis://localhost:6380/3": "redis://localhost:6380/3",
    "redis://shop:s%40same@host/0": "redis://shop:s%40same@host/0",
    "redis://:sesame@host?db=2": "redis://:sesame@host?db=2",
    "valkey://host/0": "redis://host/0",
    "valkeys://host/0": "rediss://host/0",
    "redis+socket:///run/redis.sock": "unix:///run/redis.sock",
    "redis+socket:///run/redis.sock?virtual_host=2": "unix:///run/redis.sock?db=2",
    "redis+socket://:sesame@/redis.sock": "unix://:sesame@/redis.sock",
    "rediss://host/0?ssl_cert_reqs=CERT_NONE": "rediss://host/0?ssl_cert_reqs=none",
    "rediss://host/0?ssl_cert_reqs=CERT_OPTIONAL": (
        "rediss://host/0?ssl_cert_reqs=optional"
    ),
    "rediss://host/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem": (
        "rediss://host/0?ssl_cert_reqs=required&ssl_ca_certs=%2Fca.pem"
    ),
    "rediss://host/0?ssl_cert_reqs=required": "rediss://host/0?ssl_cert_reqs=required",
}

WITH_PASSWORD = [
    "redis://:sesame@127.0.0.1:{port}/0",
    "redis://shop:sesame@127.0.0.1:{port}/0",
    "redis://127.0.0.1:{port}/0?password=sesame",
    "redis+socket://:sesame@{directory}/redis.sock",
    "redis+socket://{directory}/redis.sock?password=sesame",
]


# Ways to a server


def test_a_server_is_reached_over_tls(tmp_path):
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        backend = RedisBackend(server.url)

        assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_server_over_tls_is_not_trusted_without_its_authority(tmp_path):
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        backend = RedisBackend(server.url.partition("?")[0])

        with pytest.raises(LockStoreError, match="certificate"):
            backend.acquire("key", FIRST, expire=10)


def test_a_server_is_reached_over_a_unix_socket(backend, redis_server):
    backend.acquire("key", FIRST, expire=10)

    held = RedisBackend(redis_server.unix_url).get("key")

    assert held and held.record.owner == "first"


def test_a_database_is_a_store_of_its_own(backend, redis_url, redis_server):
    backend.acquire("key", FIRST, expire=10)

    over_tcp = redis_url.removesuffix("/0") + "/1"
    over_socket = redis_server.unix_url + "?virtual_host=1"

    assert RedisBackend(over_tcp).get("key") is None
    assert RedisBackend(over_socket).get("key") is None


@pytest.mark.parametrize("url", URLS)
def test_urls_are_read_as_celery_writes_them(url):
    assert client_url(url) == URLS[url]


@pytest.mark.parametrize("url", URLS)
def test_every_url_makes_a_client_that_is_not_connected_yet(url):
    assert isinstance(RedisBackend.from_url(url, timeout=2), RedisBackend)


def test_a_client_of_your_own_is_used(redis_url, redis_server):
    url = redis_url.replace("redis://", "redis://default:sesame@")
    with Redis.from_url(url, socket_timeout=PATIENCE) as client:
        backend = RedisBackend(client=client)
        backend.acquire("key", FIRST, expire=10)

    assert redis_server.client.dbsize() == 1
    assert backend.name == redis_url.removeprefix("redis://")


def test_a_client_that_waits_for_ever_is_refused(redis_url):
    with Redis.from_url(redis_url, socket_timeout=None) as client:
        with pytest.raises(ConfigurationError, match="with socket_timeout=1, or less"):
            RedisBackend(client=client, timeout=2)


def test_a_client_that_decodes_responses_is_refused(redis_url):
    with Redis.from_url(redis_url, decode_responses=True) as client:
        with pytest.raises(ConfigurationError, match="decode_responses=False"):
            RedisBackend(client=client)


def test_a_url_that_decodes_responses_is_refused(redis_url):
    with pytest.raises(ConfigurationError, match="decode_responses=False"):
        RedisBackend(f"{redis_url}?decode_responses=true")


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_a_password_is_neither_in_the_name_nor_in_an_error(url, own_redis):
    own_redis.client.config_set("requirepass", "another")
    backend = RedisBackend(
        url.format(port=own_redis.port, directory=own_redis.directory)
    )

    with pytest.raises(LockStoreError, match="invalid username-password") as error:
        backend.acquire("key", FIRST, expire=10)

    assert "sesame" not in f"{backend.name} {backend!r} {error.value!r}"


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_the_password_of_the_url_opens_the_server(url, own_redis):
    own_redis.client.acl_setuser(
        "shop", enabled=True, passwords=["+sesame"], keys=["*"], categories=["+@all"]
    )
    own_redis.client.config_set("requirepass", "sesame")
    backend = RedisBackend(
        url.format(port=own_redis.port, directory=own_redis.directory)
    )

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


# Forks


def test_a_client_survives_a_fork(backend):
    backend.acquire("parent's", FIRST, expire=LEASE)

    def in_child() -> list[object]:
        answers = [backend.acquire("parent's", record_of("child"), expire=LEASE)]
        answers.append(backend.acquire("child's", record_of("child"), expire=LEASE))
        return answers

    refused, taken = in_fork(in_child)

    assert isinstance(refused, Held)
    assert isinstance(taken, Acquired)
    assert backend.get("child's").record.owner == "child"
    assert backend.release("parent's", FIRST.token)


def test_parent_and_child_do_not_get_each_others_answers(backend):
    for number in range(200):
        backend.acquire(f"key {number}", record_of(str(number)), expire=60)

    def owners() -> list[str]:
        found = [backend.get(f"key {number}") for number in range(200)]
        return [held.record.owner for held in found if held]

    children = [Fork(owners) for _ in range(2)]

    expected = [str(number) for number in range(200)]
    assert owners() == expected
    assert [child.result() for child in children] == [expected] * 2


# Clients and options that cannot be used


@pytest.mark.parametrize(
    "make",
    [
        lambda url: Redis.from_url(url, single_connection_client=True),
        lambda url: Redis.from_url(url).pipeline(),
        lambda url: AsyncRedis.from_url(url),
        lambda url: url,
    ],
)
def test_what_processes_cannot_share_is_refused(redis_url, make):
    with pytest.raises(ConfigurationError, match="client= "):
        RedisBackend(client=make(redis_url))


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster", "sentinel"])
def test_an_option_that_the_client_does_not_know_is_an_error(scheme):
    url = f"{scheme}://:sesame@localhost?master_name=shop&frobnicate=1"

    with pytest.raises(ConfigurationError, match="frobnicate") as error:
        RedisBackend(
            url if scheme == "sentinel" else url.replace("master_name=shop&", "")
        )
    assert "sesame" not in str(error.value)


def test_the_least_version_of_tls_is_given_by_its_name(tmp_path):
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        backend = RedisBackend(f"{server.url}&ssl_min_version=TLSv1_2")

        assert backend.get("key") is None


def test_a_cluster_may_be_at_an_ipv6_address():
    with pytest.raises(LockStoreError, match=r"cluster://\[::1\]:1"):
        RedisBackend("redis+cluster://[::1]:1").get("key")
