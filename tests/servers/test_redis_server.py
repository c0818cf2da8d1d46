from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from tests.servers import RedisServer
from tests.servers.certificate import Certificate


def test_a_restarted_server_has_its_port_again_and_is_empty(own_redis):
    client = Redis.from_url(own_redis.url)
    client.set("key", "value")
    client.close()

    own_redis.restart()

    assert client.get("key") is None
    client.close()


def test_a_killed_server_refuses(own_redis):
    own_redis.kill()

    with pytest.raises(ConnectionError):
        Redis.from_url(own_redis.url, retry=None).ping()


def test_a_paused_server_answers_when_it_is_resumed(own_redis):
    with Redis.from_url(own_redis.url) as client:
        client.ping()
        own_redis.pause()
        with Redis.from_url(own_redis.url, socket_timeout=0.1, retry=None) as hasty:
            with pytest.raises(TimeoutError):
                hasty.ping()
        own_redis.resume()
        assert client.ping()


def test_a_paused_server_can_be_stopped(own_redis):
    own_redis.pause()

    own_redis.stop()


def test_commands_are_counted_since_the_reset(redis_server):
    redis_server.client.set("key", 1)
    redis_server.reset_counts()
    redis_server.client.get("key")
    redis_server.client.get("key")

    assert redis_server.command_counts() == {"get": 2}
    assert redis_server.command_counts() == {"get": 2}


def test_tls_is_checked_against_its_own_authority(tmp_path):
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        assert urlsplit(server.url).scheme == "rediss"
        with Redis.from_url(server.url) as client:
            assert client.ping()


def test_the_unix_socket_is_the_same_server(redis_server, redis_url):
    path = redis_server.unix_url.removeprefix("redis+socket://")
    with Redis(unix_socket_path=path) as socket, Redis.from_url(redis_url) as tcp:
        socket.set("key", "value")
        assert tcp.get("key") == b"value"
