"""A memcached server on one TCP port."""

import os
from pathlib import Path

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

from tests.servers.process import HOST, ServerProcess


class MemcachedServer(ServerProcess):
    """A memcached of our own; `url` is what Celery would be given."""

    name = "memcached"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"memcached://{HOST}:{self.port}"
        self.client = Client((HOST, self.port), connect_timeout=20, timeout=20)

    def options(self) -> list[str]:
        who = [] if os.getuid() else ["--user", "root"]
        return [*who, "--listen", HOST, "--port", str(self.port), "--threads", "1"]

    def answers(self) -> bool:
        try:
            return bool(self.client.version())
        except (OSError, MemcacheError):
            return False

    def stop(self) -> None:
        self.client.close()
        super().stop()
