"""Fetch the servers that are missing, and print where each of them is."""

import sys

from tests.servers.fetch import fetch
from tests.servers.find import SERVERS, MissingServer, find, require


def main() -> None:
    missing = [name for name in SERVERS if SERVERS[name].package and not find(name)]
    try:
        if missing:
            fetch(missing)
        for name in SERVERS:
            print(f"{name}: {require(name)}")
    except MissingServer as error:
        sys.exit(str(error))


main()
