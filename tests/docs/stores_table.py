"""Writes the table of stores into its page, from the promises of the backends.

Run it as ``make stores``, or as ``python -m tests.docs.stores_table``.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from unique_task import MemoryBackend, RedisBackend
from unique_task.backends.django.any_cache import AnyCacheBackend
from unique_task.backends.django.backend import DjangoCacheBackend
from unique_task.backends.django.database import DjangoDatabaseBackend
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.promises import Promises
from unique_task.backends.redis.promises import REPLICATED
from unique_task.backends.sql.promises import PROMISES

PAGE = Path(__file__).parents[2] / "docs" / "stores.rst"

#: Lines around the table; the text outside of them is written by hand.
BEGIN, END = ".. The table of stores begins.", ".. The table of stores ends."

STORES = {
    "Redis 6.2 or newer, Valkey (``redis://``, ``rediss://``, ``redis+socket://``, "
    "``valkey://``, ``valkeys://``)": RedisBackend.promises,
    "Redis behind Sentinels (``sentinel://``), Redis Cluster (``redis+cluster://``, "
    "``rediss+cluster://``)": REPLICATED,
    "PostgreSQL (``postgresql://``)": PROMISES["postgresql"],
    "MariaDB, MySQL (``mysql://``, ``mariadb://``)": PROMISES["mysql"],
    "SQLite, one host (``sqlite:///``)": PROMISES["sqlite"],
    "memcached 1.6 (``memcached://``)": MemcachedBackend.promises,
    "Django's cache in Redis (``django-cache://alias``); one in memcached promises "
    "what memcached does": DjangoCacheBackend.promises,
    "Django's database in PostgreSQL, MariaDB or MySQL (``django-db://alias``); one in "
    "SQLite promises what SQLite does": DjangoDatabaseBackend.promises,
    "any other cache of Django (``django-cache://alias?unsafe=true``)": (
        AnyCacheBackend.promises
    ),
    "memory, one process, for tests (``memory://``)": MemoryBackend.promises,
}

UNITS = {1: "1 s", 1e-3: "1 ms", 1e-6: "1 µs"}

HEAD = """
.. list-table::
   :header-rows: 1
   :widths: 24 12 10 12 10 10 12 10
"""


def page_of(text: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    head = ["store", "only the holder releases", "fence", "value and end in one step"]
    head += [
        "several holders",
        "lists its locks",
        "times, by whose clock",
        "locks that survive its restart",
    ]
    lines = chain(row_of(head), *(row_of(cells(*one)) for one in STORES.items()))
    return "\n".join([HEAD, *lines, ""])


def cells(name: str, promises: Promises) -> list[str]:
    needs = f"; needs ``{promises.needs}``" if promises.needs else ""
    return [
        name + needs,
        yes(promises.owner_safe),
        yes(promises.fenced),
        yes(promises.one_step),
        yes(promises.several_holders),
        yes(promises.lists),
        f"to {UNITS[promises.granularity]}, {promises.clock}",
        promises.restart,
    ]


def yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def row_of(texts: list[str]) -> Iterator[str]:
    for start, text in zip(["   * -", *["     -"] * len(texts)], texts):
        yield f"{start} {text}"


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text()))
