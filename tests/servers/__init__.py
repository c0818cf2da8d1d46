"""Real servers for the tests: found or fetched, started as private processes."""

from tests.servers.cluster_server import Cluster, ClusterNode, cluster
from tests.servers.mariadb_server import MariaDBServer
from tests.servers.memcached_server import MemcachedServer
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq_server import RabbitMQServer
from tests.servers.redis_server import RedisServer
from tests.servers.sentinel_server import Sentinels, sentinels

__all__ = [
    "Cluster",
    "ClusterNode",
    "MariaDBServer",
    "MemcachedServer",
    "PostgreSQLServer",
    "Proxy",
    "RabbitMQServer",
    "RedisServer",
    "Sentinels",
    "cluster",
    "sentinels",
]
