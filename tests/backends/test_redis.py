"""What is special about locks in Redis."""

import time
from contextlib import suppress

import pytest
from redis import Redis
from redis.crc import key_slot

from tests.forking import Fork, in_fork
from tests.servers import RedisServer
from unique_task import (
    ConfigurationError,
    LockRecordError,
    LockStoreError,
    RedisBackend,
)
from unique_task.backends.base import Acquired, Held, Renewal, Renewed
from unique_task.backends.record import Record, Token
from unique_task.backends.redis_url import client_url
from unique_task.keys import digest_of

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

#: What a process that was updated already may have left: text, or anything else.
NEWER = {
    "text": b"2 17 3 task-1/0/0//ab task-2/0/0//cd",
    "the same form": b"2 17 task-1/0/0//ab running worker task",
    "bytes": b"\x82\xa7version\x02\xff",
}


@pytest.fixture
def backend(redis_url: str) -> RedisBackend:
    return RedisBackend(redis_url)


@pytest.fixture
def warm(backend: RedisBackend) -> RedisBackend:
    """Connected, and with its scripts known to the server."""
    record = record_of("earlier")
    backend.acquire("another", record, expire=10)
    backend.release("another", record.token)
    return backend


def record_of(owner: str) -> Record:
    return Record(str(Token.of_attempt(owner)), "shop.charge", "celery@host/42")


FIRST = record_of("first")
SECOND = record_of("second")


# Ways to a server


def test_a_server_is_reached_over_tls(tmp_path):
    with RedisServer(tmp_path, tls=True) as server:
        backend = RedisBackend(server.url)

        assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_server_over_tls_is_not_trusted_without_its_authority(tmp_path):
    with RedisServer(tmp_path, tls=True) as server:
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
    with Redis.from_url(redis_url) as client:
        RedisBackend(client=client).acquire("key", FIRST, expire=10)

    assert redis_server.client.dbsize() == 1


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


# A server out of order


def test_a_server_that_refuses_is_a_store_error_that_names_it(backend, redis_proxy):
    backend = RedisBackend(redis_proxy.url)
    redis_proxy.cut()

    with pytest.raises(LockStoreError, match=redis_proxy.url):
        backend.acquire("key", FIRST, expire=10)


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_hangs_is_given_up_in_time(redis_proxy, connected):
    backend = RedisBackend(redis_proxy.url, timeout=0.4)
    if connected:
        backend.get("key")
    redis_proxy.hang()
    started = time.monotonic()

    with pytest.raises(LockStoreError):
        backend.acquire("key", FIRST, expire=10)

    assert time.monotonic() - started < 0.8


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.29])
def test_a_server_that_is_slow_has_no_more_time_in_all(redis_proxy, seconds):
    # Each answer comes in time for one; but to connect takes several.
    backend = RedisBackend(f"{redis_proxy.url.removesuffix('/0')}/1", timeout=0.6)
    redis_proxy.delay(seconds)
    started = time.monotonic()

    with suppress(LockStoreError):
        backend.acquire("key", FIRST, expire=10)

    assert time.monotonic() - started < 0.9


def test_a_connection_that_the_server_closed_is_no_error(warm, redis_server):
    redis_server.client.client_kill_filter(_type="normal")

    assert isinstance(warm.acquire("key", FIRST, expire=10), Acquired)


def test_a_server_that_was_restarted_is_used_again(own_redis):
    backend = RedisBackend(own_redis.url)
    record = record_of("earlier")
    backend.acquire("key", record, expire=10)
    own_redis.restart()

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_an_acquisition_whose_answer_was_lost_is_ours(redis_proxy, backend, warm):
    through_proxy = RedisBackend(redis_proxy.url)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    taken = through_proxy.acquire("key", FIRST, expire=10)

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.fence == taken.fence


def test_a_take_over_whose_answer_was_lost_is_ours(redis_proxy, backend, warm):
    warm.acquire("key", SECOND, expire=10)
    through_proxy = RedisBackend(redis_proxy.url)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    taken = through_proxy.acquire("key", FIRST, expire=10, over=[SECOND.token])

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.fence == taken.fence


def test_a_server_that_lost_the_scripts_gets_them_again(warm, redis_server):
    redis_server.client.script_flush()
    assert isinstance(warm.acquire("key", FIRST, expire=10), Acquired)

    redis_server.client.script_flush()
    assert warm.release("key", FIRST.token)


@pytest.fixture
def no_lock(redis_server: RedisServer, backend: RedisBackend) -> str:
    """A key under which there is no text."""
    backend.acquire("list", FIRST, expire=10)
    [name] = redis_server.client.keys()
    redis_server.client.delete(name)
    redis_server.client.lpush(name, "item")
    return "list"


def test_a_key_of_another_type_is_a_store_error(backend, no_lock):
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.acquire(no_lock, FIRST, expire=10)
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.release(no_lock, FIRST.token)
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.get(no_lock)


def test_a_key_of_another_type_does_not_keep_others_from_their_renewal(
    backend, no_lock
):
    fence = backend.acquire("key", FIRST, expire=10).fence

    outcomes = backend.renew(
        [Renewal(no_lock, FIRST, fence, 100), Renewal("key", FIRST, fence, 100)]
    )

    assert outcomes == [Renewed.TAKEN, Renewed.HELD]


# A lock of a newer version


@pytest.fixture(params=NEWER)
def newer(
    request: pytest.FixtureRequest, redis_server: RedisServer, backend: RedisBackend
) -> bytes:
    """What lies, in a form of the future, where the lock "key" would be."""
    backend.acquire("key", FIRST, expire=10)
    [name] = redis_server.client.keys()
    redis_server.client.set(name, NEWER[request.param], px=10_000)
    return NEWER[request.param]


def test_a_lock_of_a_newer_version_is_not_acquired(backend, newer):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=10)


def test_a_lock_of_a_newer_version_is_not_taken_over(backend, newer):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=10, over=["task-1/0/0//ab"])


def test_who_holds_a_lock_of_a_newer_version_is_not_told(backend, newer):
    with pytest.raises(LockRecordError):
        backend.get("key")


def test_a_lock_of_a_newer_version_is_left_alone(backend, newer, redis_url):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=100)
    assert not backend.release("key", FIRST.token, value=b"value", fresh=100)
    assert backend.renew([Renewal("key", FIRST, 1, 100)]) == [Renewed.TAKEN]

    with Redis.from_url(redis_url) as client:
        [name] = client.keys()
        assert client.get(name) == newer
        assert 0 < client.pttl(name) <= 10_000


def test_a_lock_whose_end_was_taken_off_by_hand_stands_for_ever(backend, redis_server):
    backend.acquire("key", FIRST, expire=10)
    redis_server.client.persist(*redis_server.client.keys())

    refused = backend.acquire("key", record_of("second"), expire=10)

    assert isinstance(refused, Held)
    assert refused.remaining == float("inf")


# What it costs


#: What a message asks of the server that can come once, and one that can come again.
RUNS = {
    "once": ({}, {}, {"evalsha": 2, "time": 1, "set": 1, "get": 1, "del": 1}),
    "again": (
        {"once": True},
        {"finished": 100},
        {"evalsha": 2, "time": 1, "set": 2, "get": 2, "del": 1},
    ),
}


@pytest.mark.parametrize("taken, freed, commands", RUNS.values(), ids=RUNS)
def test_a_run_costs_six_commands_or_eight_to_be_known_again(
    taken, freed, commands, warm, redis_server
):
    redis_server.reset_counts()

    warm.acquire("key", FIRST, expire=10, **taken)
    warm.release("key", FIRST.token, **freed)

    assert redis_server.command_counts() == commands


def test_a_lock_is_taken_and_freed_in_one_round_trip_each(redis_proxy, warm):
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.get("key")
    redis_proxy.delay(0.2)
    started = time.monotonic()

    through_proxy.acquire("key", FIRST, expire=10, once=True, over=["a", "b"])
    through_proxy.release("key", FIRST.token, value=b"value", fresh=10, finished=10)

    assert 0.4 <= time.monotonic() - started < 0.6


def test_a_lock_is_taken_over_in_one_round_trip(redis_proxy, warm):
    warm.acquire("key", FIRST, expire=10)
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.get("key")
    redis_proxy.delay(0.2)
    started = time.monotonic()

    taken = through_proxy.acquire("key", SECOND, expire=10, over=[FIRST.token])

    assert isinstance(taken, Acquired)
    assert 0.2 <= time.monotonic() - started < 0.4


def test_many_locks_are_renewed_in_one_round_trip(redis_proxy):
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.get("key")
    renewals = [Renewal(f"key {number}", FIRST, 1, 10) for number in range(10)]
    redis_proxy.delay(0.2)
    started = time.monotonic()

    assert through_proxy.renew(renewals) == [Renewed.RETAKEN] * 10

    assert 0.2 <= time.monotonic() - started < 0.4


def test_a_lock_takes_300_bytes_at_most(backend, redis_server):
    token = Token.of_attempt("1b671a64-40d5-491e-99b0-da01ff1f3341", retries=12)
    record = Record(str(token), "shop.billing.tasks.charge", "celery@web-12.shop/31415")
    backend.acquire(digest_of("shop", "17"), record, expire=3600)

    [name] = redis_server.client.keys()

    assert redis_server.client.memory_usage(name) <= 300


def test_all_keys_of_a_lock_are_in_one_slot_of_a_cluster(backend, redis_url):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, value=b"value", fresh=10, finished=10)
    backend.acquire("key", FIRST, expire=10)

    assert len(slots(redis_url)) == 3
    assert len(set(slots(redis_url))) == 1


def test_locks_are_spread_over_a_cluster(backend, redis_url):
    for number in range(20):
        backend.acquire(digest_of("shop", str(number)), FIRST, expire=10)

    assert len(set(slots(redis_url))) > 10


def test_every_key_has_an_end(backend, redis_server):
    backend.acquire("taken", FIRST, expire=10)
    backend.acquire("taken over", FIRST, expire=10)
    backend.acquire("taken over", SECOND, expire=10, over=[FIRST.token])
    backend.renew([Renewal("retaken", FIRST, 1, 10), Renewal("taken", FIRST, 1, 10)])
    backend.release("lost", FIRST.token, value=b"value", fresh=10, finished=10)
    backend.acquire("freed", FIRST, expire=10)
    backend.release("freed", FIRST.token, value=b"value", fresh=10, finished=10)

    names = redis_server.client.keys()

    # Three locks, a value, and two attempts that have finished.
    assert len(names) == 6
    ends = [redis_server.client.pttl(name) for name in names]
    assert all(0 < end <= 10_000 for end in ends)


def test_a_finished_attempt_takes_160_bytes_at_most(backend, redis_server):
    token = Token.of_attempt("1b671a64-40d5-491e-99b0-da01ff1f3341", retries=12)
    backend.release(digest_of("shop", "17"), str(token), finished=3600)

    [name] = redis_server.client.keys()

    assert redis_server.client.memory_usage(name) <= 160


def slots(url: str) -> list[int]:
    with Redis.from_url(url) as client:
        return [key_slot(name) for name in client.keys()]


# Forks


def test_a_client_survives_a_fork(backend):
    backend.acquire("parent's", FIRST, expire=10)

    def in_child() -> list[object]:
        answers = [backend.acquire("parent's", record_of("child"), expire=10)]
        answers.append(backend.acquire("child's", record_of("child"), expire=10))
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


def test_a_server_out_of_memory_still_frees(own_redis):
    backend = RedisBackend(own_redis.url)
    record = record_of("holder")
    backend.acquire("key", record, expire=10)
    own_redis.client.config_set("maxmemory", "1")

    assert backend.release("key", record.token, value=b"value", fresh=10)

    assert not own_redis.client.exists("unique:{key}")
