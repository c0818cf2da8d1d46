"""Real servers for the tests: found or fetched, started as private processes."""

from tests.servers.proxy import Proxy
from tests.servers.rabbitmq_server import RabbitMQServer
from tests.servers.redis_server import RedisServer

__all__ = ["Proxy", "RabbitMQServer", "RedisServer"]
