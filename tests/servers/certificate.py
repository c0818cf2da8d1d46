"""A certificate for the loopback address, and the authority that signed it."""

from pathlib import Path
from urllib.parse import urlencode

from trustme import CA


class Certificate:
    """Files for a TLS server, and what a client's URL says to trust it."""

    def __init__(self, directory: Path) -> None:
        self.authority = directory / "authority.pem"
        self.chain = directory / "chain.pem"
        self.key = directory / "key.pem"
        self._write(CA())

    @property
    def url_query(self) -> str:
        """Celery refuses `rediss://` without `ssl_cert_reqs`."""
        return urlencode({"ssl_cert_reqs": "required", "ssl_ca_certs": self.authority})

    def _write(self, authority: CA) -> None:
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(str(self.authority))
        certificate.private_key_pem.write_to_path(str(self.key))
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(str(self.chain), append=True)
