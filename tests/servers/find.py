"""Where the servers are: installed on this machine, or unpacked beside the code."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A program that the tests start, and the Debian package that has it."""

    binary: str
    package: str


SERVERS = {
    "redis": Server("redis-server", "redis-server"),
}

UNPACKED = Path(__file__).parents[2] / ".servers"

# Distributions keep servers in folders that are not in a normal user's PATH.
FOLDERS = ["usr/bin", "usr/sbin", "usr/local/sbin", "usr/lib/postgresql/*/bin"]


class MissingServer(Exception):
    """A server that the tests need is neither installed nor unpacked."""


def find(name: str) -> Path | None:
    """The program of the server `name`, or None if it has to be fetched."""
    binary = SERVERS[name].binary
    if installed := shutil.which(binary):
        return Path(installed)
    return next(_programs(binary, Path("/"), UNPACKED / name), None)


def require(name: str) -> Path:
    """The program of the server `name`; never a reason to skip a test."""
    if program := find(name):
        return program
    raise MissingServer(
        f"The tests need {SERVERS[name].binary}: run `make servers`, or install it."
    )


def environment(program: Path) -> dict[str, str]:
    """The environment for `program`: an unpacked one has its libraries with it."""
    if UNPACKED not in program.parents:
        return dict(os.environ)
    root = UNPACKED / program.relative_to(UNPACKED).parts[0]
    libraries = [*root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _programs(binary: str, *roots: Path) -> Iterator[Path]:
    for root in roots:
        for folder in FOLDERS:
            yield from root.glob(f"{folder}/{binary}")
