"""Writes the tables of the page on scaling, from what a real Redis has counted.

Run it as ``make scaling``, or as ``python -m tests.docs.scaling_table``. What a call
takes is written here; a test measures it again.
"""

from collections.abc import Iterator
from pathlib import Path

from tests.docs.scaling_measure import Figures
from tests.docs.stores_table import row_of

PAGE = Path(__file__).parents[2] / "docs" / "scaling.rst"

#: Of each lock type, with early and with late acknowledgement.
MEASURED = {
    ("while_executing", False): Figures(0, 2, 6, 494, 23, 0),
    ("while_executing", True): Figures(0, 3, 13, 1594, 27, 168),
    ("until_executing", False): Figures(1, 3, 13, 1107, 96, 0),
    ("until_executing", True): Figures(1, 4, 22, 2425, 100, 336),
    ("until_executed", False): Figures(1, 2, 11, 835, 77, 0),
    ("until_executed", True): Figures(1, 3, 18, 1913, 81, 168),
    ("until_expired", False): Figures(1, 3, 14, 1118, 96, 248),
    ("until_expired", True): Figures(1, 4, 23, 2436, 100, 584),
    ("until_and_while_executing", False): Figures(1, 3, 13, 1123, 96, 0),
    ("until_and_while_executing", True): Figures(1, 4, 22, 2459, 100, 336),
}

#: Tasks of a day.
DAYS = {"1 million": 1e6, "10 million": 1e7, "100 million": 1e8, "1 billion": 1e9}

#: Seconds of Redis' processor for one round trip of a script, among 32 clients, with
#: Redis 7.0 on a core of an AMD EPYC.
SECONDS_OF_A_TRIP = 32e-6

#: Seconds for which a mark is kept, if the broker waits for an hour.
REDELIVERY = 7200

DAY = 86_400

SHOWN = ("while_executing", False), ("until_executed", True)


def page_of(text: str) -> str:
    """Return the page with the tables as they are now."""
    for name, table in _tables():
        begin, end = f".. Table of {name} begins.", f".. Table of {name} ends."
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def _tables() -> Iterator[tuple[str, str]]:
    yield "calls", _table(_CALLS, (_call(*one) for one in MEASURED))
    for lock, late in SHOWN:
        days = (_day(name, MEASURED[lock, late]) for name in DAYS)
        yield f"days under {lock}", _table(_DAYS, days)
    yield "marks", _table(_MARKS, (_marks(name) for name in DAYS))


_CALLS = ["lock type", "``acks_late``", "trips to publish", "trips to run", "commands"]
_CALLS += ["bytes to Redis", "bytes from Redis", "bytes kept after it"]


def _call(lock: str, late: bool) -> list[str]:
    found = MEASURED[lock, late]
    return [f"``{lock}``", "yes" if late else "no", *(f"{one:,}" for one in found)]


_DAYS = ["tasks a day", "tasks a second", "trips a second", "commands a second"]
_DAYS += ["traffic", "part of one core"]


def _day(name: str, of: Figures) -> list[str]:
    each = DAYS[name] / DAY
    trips = each * (of.publish + of.run)
    return [
        *(name, _rounded(each), _rounded(trips), _rounded(each * of.commands)),
        _size(each * (of.sent + of.received)) + "/s",
        f"{trips * SECONDS_OF_A_TRIP:.1%}",
    ]


_MARKS = ["tasks a day", "marks of 2 hours", "their memory", "marks of 10 minutes"]
_MARKS += ["their memory"]


def _marks(name: str) -> list[str]:
    each, size = DAYS[name] / DAY, MEASURED["while_executing", True].kept
    cells = [name]
    for seconds in (REDELIVERY, 600):
        cells += [_rounded(each * seconds), _size(each * seconds * size)]
    return cells


def _table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for texts in (head, *rows):
        lines += row_of(texts)
    return "\n".join([*lines, ""])


def _rounded(number: float) -> str:
    """Return two digits that count: more would promise too much.

    >>> _rounded(11574.07), _rounded(0.116)
    ('12,000', '0.12')
    """
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _size(size: float) -> str:
    """Return a number of bytes for people.

    >>> _size(1_234), _size(14_000_000_000)
    ('1.2 kB', '14 GB')
    """
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{_rounded(size)} {unit}"
        size /= 1000
    return f"{_rounded(size)} GB"


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text()))
