"""The anchor of a lock in SQL: how statements read its number, and write it.

The content of its row is the :func:`.cells.anchor` without the fence.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ..record import ANCHOR

_START = len(ANCHOR) + 2


class is_anchor(FunctionElement[bool]):  # noqa: N801 - it is written as a function
    """Whether a content is that of an anchor."""

    type = sa.Boolean()
    inherit_cache = True


class kept(FunctionElement[int]):  # noqa: N801
    """The number in the content of an anchor; of any other content, any number."""

    type = sa.BigInteger()
    inherit_cache = True


class anchored(FunctionElement[bytes]):  # noqa: N801
    """The content of an anchor with this number."""

    type = sa.LargeBinary()
    inherit_cache = True


@compiles(is_anchor, "postgresql")
def _postgresql_is_anchor(element: is_anchor, compiler: Any, **options: Any) -> str:
    text = f"ENCODE({_argument(element, compiler, options)}, 'escape')"
    return f"({text} ~ '^{ANCHOR} [0-9]+$')"


@compiles(is_anchor, "mysql")
@compiles(is_anchor, "mariadb")
def _mysql_is_anchor(element: is_anchor, compiler: Any, **options: Any) -> str:
    content = _argument(element, compiler, options)
    return f"({content} REGEXP '^{ANCHOR} [0-9]+$')"


@compiles(is_anchor, "sqlite")
def _sqlite_is_anchor(element: is_anchor, compiler: Any, **options: Any) -> str:
    text = f"CAST({_argument(element, compiler, options)} AS TEXT)"
    no_digit = f"SUBSTR({text}, {_START}) GLOB '*[^0-9]*'"
    return f"({text} GLOB '{ANCHOR} [0-9]*' AND NOT {no_digit})"


@compiles(kept, "postgresql")
def _postgresql_kept(element: kept, compiler: Any, **options: Any) -> str:
    # It may be computed where the condition beside it is false, and must not fail.
    text = f"ENCODE({_argument(element, compiler, options)}, 'escape')"
    return f"CAST(SUBSTRING({text} FROM '^{ANCHOR} ([0-9]+)$') AS BIGINT)"


@compiles(kept, "mysql")
@compiles(kept, "mariadb")
def _mysql_kept(element: kept, compiler: Any, **options: Any) -> str:
    content = _argument(element, compiler, options)
    return f"CAST(SUBSTR({content}, {_START}) AS SIGNED)"


@compiles(kept, "sqlite")
def _sqlite_kept(element: kept, compiler: Any, **options: Any) -> str:
    content = _argument(element, compiler, options)
    return f"CAST(SUBSTR({content}, {_START}) AS INTEGER)"


@compiles(anchored, "postgresql")
def _postgresql_anchored(element: anchored, compiler: Any, **options: Any) -> str:
    number = _argument(element, compiler, options)
    return f"CONVERT_TO('{ANCHOR} ' || ({number}), 'UTF8')"


@compiles(anchored, "mysql")
@compiles(anchored, "mariadb")
def _mysql_anchored(element: anchored, compiler: Any, **options: Any) -> str:
    return f"CONCAT('{ANCHOR} ', {_argument(element, compiler, options)})"


@compiles(anchored, "sqlite")
def _sqlite_anchored(element: anchored, compiler: Any, **options: Any) -> str:
    number = _argument(element, compiler, options)
    return f"CAST('{ANCHOR} ' || ({number}) AS BLOB)"


def _argument(element: FunctionElement[Any], compiler: Any, options: Any) -> str:
    [argument] = element.clauses
    text: str = compiler.process(argument, **options)
    return text
