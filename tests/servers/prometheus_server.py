"""A Prometheus that scrapes one target and evaluates rules, each second."""

import json
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.servers.process import HOST, ServerProcess

CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ["{target}"]}}]
"""


class PrometheusServer(ServerProcess):
    """A Prometheus of our own.

    Arguments:
        target: host and port of what it scrapes.
        rules: the file of rules that it evaluates.
    """

    name = "prometheus"

    def __init__(self, directory: Path, target: str, rules: Path) -> None:
        super().__init__(directory)
        self._configuration = directory / "prometheus.yml"
        self._configuration.write_text(CONFIGURATION.format(target=target, rules=rules))

    def options(self) -> list[str]:
        return [
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
        ]

    def answers(self) -> bool:
        try:
            return bool(self.get("/-/ready"))
        except URLError:
            return False

    def get(self, path: str, **query: str) -> bytes:
        """Return what it answers to a request.

        Raises:
            HTTPError: if it refuses it.
        """
        address = f"http://{HOST}:{self.port}{path}?{urlencode(query)}"
        with urlopen(address, timeout=30) as answer:
            content: bytes = answer.read()
            return content

    def query(self, expression: str) -> Any:
        """Return the series that an expression has now."""
        answer = json.loads(self.get("/api/v1/query", query=expression))
        return answer["data"]["result"]

    def rules(self) -> list[Any]:
        """Return its rules, as it evaluates them."""
        answer = json.loads(self.get("/api/v1/rules"))
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]
