"""From a URL, or a client, to the nodes of a Redis Cluster."""

import pytest
from redis.cluster import RedisCluster

from tests.backends.stores import FIRST, PATIENCE, SECOND, renewals
from tests.servers import ClusterNode, cluster
from tests.servers.certificate import Certificate
from tests.servers.process import HOST
from unique_task import ConfigurationError, LockStoreError, RedisBackend
from unique_task.backends.steps import Acquired, Held, Renewed

BAD_URLS = {
    "a port that is none": "redis+cluster://:sesame@one:port",
    "a host that is none": "redis+cluster://:sesame@[one",
    "another database": "redis+cluster://:sesame@one/3",
    "the second": "redis+cluster://:sesame@one;redis+cluster://:sesame@two:port",
}


def test_a_single_server_is_no_cluster(own_redis):
    own_redis.client.config_set("requirepass", "sesame")
    place = f"{HOST}:{own_redis.port}/0"
    backend = RedisBackend(f"redis+cluster://:sesame@{place}")

    with pytest.raises(ConfigurationError) as error:
        backend.acquire("key", FIRST, expire=10)

    assert str(error.value) == (
        f"redis+cluster://:**@{place} is no node of a Redis Cluster, but a single "
        f"server: use redis://:**@{place}"
    )


def test_a_cluster_without_slots_is_a_store_error(tmp_path):
    with ClusterNode(tmp_path) as node:
        backend = RedisBackend(f"redis+cluster://{HOST}:{node.port}")

        with pytest.raises(LockStoreError, match="no slots"):
            backend.acquire("key", FIRST, expire=10)


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_a_url_that_cannot_be_used_is_an_error_without_the_password(url):
    with pytest.raises(ConfigurationError) as error:
        RedisBackend(url)

    assert "sesame" not in str(error.value)


def test_any_of_the_nodes_leads_to_all(redis_cluster, cluster_url):
    silent = f"redis+cluster://{HOST}:1"
    RedisBackend(cluster_url).acquire("key", FIRST, expire=10)

    refused = RedisBackend(f"{silent};{cluster_url}").acquire("key", SECOND, expire=10)

    assert isinstance(refused, Held)


def test_one_store_is_the_same_in_whatever_order_its_nodes_are_named():
    one = RedisBackend("redis+cluster://one;redis+cluster://two:6380")
    same = RedisBackend("redis+cluster://two:6380;redis+cluster://one:6379/0")

    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != RedisBackend("redis+cluster://one").fingerprint
    assert one.fingerprint != RedisBackend("redis://one").fingerprint


def test_a_client_of_your_own_is_used(redis_cluster, cluster_url):
    client = RedisCluster.from_url(
        cluster_url.replace("+cluster", ""), socket_timeout=PATIENCE
    )
    backend = RedisBackend(client=client)

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert backend.renew(renewals(["key"])) == [Renewed.HELD]
    client.close()


def test_a_cluster_may_be_on_tls(tmp_path):
    with cluster(tmp_path, Certificate(tmp_path)) as servers:
        assert servers.url.startswith("rediss+cluster://")
        backend = RedisBackend(servers.url)

        for key in servers.keys():
            assert isinstance(backend.acquire(key, FIRST, expire=10), Acquired)
        assert backend.renew(renewals(servers.keys())) == [Renewed.HELD] * 3
