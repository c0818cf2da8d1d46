"""Unpack servers from Debian packages: nothing is installed, root is not needed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.servers.find import SERVERS, UNPACKED, MissingServer

#: Seconds that one step of it may take.
PATIENCE = 600


def fetch(names: Iterable[str]) -> None:
    """Unpack each server with what it depends on and this machine does not have."""
    if not shutil.which("apt-get"):
        wanted = ", ".join(SERVERS[name].binary for name in names)
        raise MissingServer(f"There is no apt-get to fetch {wanted}: install it.")
    with tempfile.TemporaryDirectory() as directory:
        apt = Apt(Path(directory))
        for name in names:
            _unpack(apt.download(SERVERS[name].package), UNPACKED / name)


class Apt:
    """The system's package sources, seen through lists and a cache of our own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for folder in ("lists/partial", "archives/partial"):
            (directory / folder).mkdir(parents=True)
        # The machine's own lists may be empty, or older than its sources. A source
        # of no interest to us may be out of order: the download tells what is missing.
        self._run("update")

    def download(self, package: str) -> list[Path]:
        """The files of `package` and of all that it needs and that is not installed."""
        self._run("clean")
        options = ("--yes", "--download-only", "--no-install-recommends")
        if self._run("install", *options, package):
            raise MissingServer(f"apt-get could not download {package}.")
        return list(self._directory.glob("archives/*.deb"))

    def _run(self, *arguments: str) -> int:
        # Errors go to our stderr, progress interests nobody.
        command = ["apt-get", "--quiet", *self._options(), *arguments]
        return subprocess.run(
            command, stdout=subprocess.DEVNULL, timeout=PATIENCE
        ).returncode

    def _options(self) -> list[str]:
        options = {
            "Dir::State::lists": self._directory / "lists",
            "Dir::Cache": self._directory,
            "Dir::Cache::archives": self._directory / "archives",
            # The system's locks are root's, and nothing of the system's is changed.
            "Debug::NoLocking": 1,
            # As root, apt would download as a user who cannot read our directory.
            "APT::Sandbox::User": "root",
            "Acquire::Retries": 3,
        }
        return [f"--option={name}={value}" for name, value in options.items()]


def _unpack(packages: Iterable[Path], root: Path) -> None:
    # A half unpacked server must not be found as a whole one by the next run.
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for package in packages:
        subprocess.run(
            ["dpkg-deb", "--extract", package, partial], check=True, timeout=PATIENCE
        )
    partial.rename(root)
