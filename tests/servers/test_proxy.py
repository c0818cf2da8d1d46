import socket
import time
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from tests.servers import Proxy
from tests.servers.process import HOST
from tests.waiting import wait_until

#: Seconds within which also a busy machine does what it is asked.
PATIENCE = 10


@pytest.fixture
def client(redis_proxy: Proxy) -> Iterator[Redis]:
    """Connected through the proxy, tries once."""
    with Redis.from_url(redis_proxy.url, socket_timeout=PATIENCE, retry=None) as client:
        client.ping()
        yield client


def test_requests_and_replies_pass(client):
    client.set("key", "x" * 1_000_000)

    assert client.get("key") == b"x" * 1_000_000


def test_cut_drops_open_connections(client, redis_proxy):
    with client.pubsub() as pubsub:
        pubsub.subscribe("channel")
        assert pubsub.get_message(timeout=PATIENCE)

        redis_proxy.cut()

        with pytest.raises(ConnectionError):
            pubsub.get_message(timeout=PATIENCE)


def test_drop_drops_open_connections_and_takes_new_ones(client, redis_proxy):
    with client.pubsub() as pubsub:
        pubsub.subscribe("channel")
        assert pubsub.get_message(timeout=PATIENCE)

        redis_proxy.drop()

        with pytest.raises(ConnectionError):
            pubsub.get_message(timeout=PATIENCE)
    client.connection_pool.disconnect()
    assert client.ping()


def test_cut_refuses_new_connections(client, redis_proxy):
    redis_proxy.cut()

    with pytest.raises(ConnectionError, match="refused"):
        client.ping()


def test_restore_ends_a_cut(client, redis_proxy):
    redis_proxy.cut()
    client.connection_pool.disconnect()

    redis_proxy.restore()

    assert client.ping()


def test_hang_does_the_work_and_holds_the_reply(redis_proxy, redis_server):
    redis_proxy.hang()

    with socket.create_connection((HOST, redis_proxy.port), timeout=0.2) as client:
        client.sendall(b"SET key value\r\n")
        wait_until(lambda: redis_server.client.get("key") == "value")
        with pytest.raises(socket.timeout):
            client.recv(1)


def test_hang_takes_new_connections(redis_proxy):
    redis_proxy.hang()
    limits = {"socket_connect_timeout": PATIENCE, "socket_timeout": 0.2}
    with Redis.from_url(redis_proxy.url, **limits, retry=None) as hasty:
        with pytest.raises(TimeoutError, match="reading"):
            hasty.ping()


def test_restore_lets_held_replies_through(client, redis_proxy):
    redis_proxy.hang()
    with client.pubsub() as pubsub:
        pubsub.subscribe("channel")
        assert pubsub.get_message(timeout=0.05) is None
        redis_proxy.restore()
        assert pubsub.get_message(timeout=PATIENCE)


def test_a_swallowed_reply_is_lost_after_the_work_was_done(client, redis_proxy):
    redis_proxy.swallow_replies(1)

    with pytest.raises(ConnectionError):
        client.incr("key")
    assert client.incr("key") == 2


def test_swallowing_can_be_for_one_command_only(client, redis_proxy):
    redis_proxy.swallow_replies(1, to=b"INCR")

    assert client.ping()
    with pytest.raises(ConnectionError):
        client.incr("key")


def test_delay_holds_each_reply_back(client, redis_proxy):
    redis_proxy.delay(0.1)
    started = time.monotonic()

    client.ping()

    assert time.monotonic() - started >= 0.1


def test_delay_ends_with_restore(client, redis_proxy):
    redis_proxy.delay(10)
    redis_proxy.restore()

    assert client.ping()


def test_requests_are_counted(client, redis_proxy):
    before = redis_proxy.requests

    client.set("key", "value")
    client.get("key")

    assert redis_proxy.requests - before == 2
