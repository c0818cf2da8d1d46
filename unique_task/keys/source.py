"""The source of a key: bytes that equal calls share, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..exceptions import UniqueKeyError
from .arguments import Parameters
from .encoding import UnsupportedTypeError, encode

ADVICE = "pass key= to @unique with what tells this call from another"

#: What :func:`encode` raises for what is no plain data, or is nested without end.
_NOT_ENCODED = (UnsupportedTypeError, RecursionError)

#: From the values of a task's parameters, in their order, to the source of a key.
Source = Callable[[Sequence[Any]], bytes]


def pattern(parameters: Parameters, *pieces: bytes | str) -> Source:
    """Return what puts the values of a call into a pattern of bytes.

    Arguments:
        parameters: of the task, without ``self``.
        pieces: bytes, which are the same for all calls, and names of parameters.
    """
    names = parameters.names
    gaps, end = _gaps(names, pieces)

    def filled(values: Sequence[Any]) -> bytes:
        parts = []
        try:
            for between, place in gaps:
                parts.append(between)
                parts.append(encode(values[place]))
        except _NOT_ENCODED as error:
            raise UniqueKeyError(
                f"parameter {names[place]!r} cannot be part of a key: {error}; {ADVICE}"
            ) from error
        parts.append(end)
        return b"".join(parts)

    return filled


def _gaps(
    names: Sequence[str], pieces: Iterable[bytes | str]
) -> tuple[list[tuple[bytes, int]], bytes]:
    """Return the bytes before each value with the place of the value, and the end."""
    gaps, before = [], b""
    for piece in pieces:
        if isinstance(piece, bytes):
            before += piece
        else:
            gaps.append((before, names.index(piece)))
            before = b""
    return gaps, before


def by_all(parameters: Parameters) -> Source:
    """Return what encodes all values of a call, as a dict by name."""
    names = sorted(parameters.names, key=encode)
    items = [piece for name in names for piece in (encode(name), name)]
    return pattern(parameters, b"m%d;" % len(names), *items)


def by_names(parameters: Parameters, names: Sequence[str]) -> Source:
    """Return what encodes the values of these parameters: one as it is, or a list."""
    if len(names) == 1:
        return pattern(parameters, *names)
    return pattern(parameters, b"l%d;" % len(names), *names)


def by_template(
    parameters: Parameters, parts: Sequence[tuple[str, str | None]]
) -> Source:
    """Return what encodes the fields of a template, as a list of pairs.

    A pair is a literal, and a list with the field's value or None: fields keep their
    types between literals, and "{a}{b}" has no collisions.

    Arguments:
        parts: literal texts, each with the field after it or None.
    """
    pieces: list[bytes | str] = [b"l%d;" % len(parts)]
    for literal, field in parts:
        pieces.append(b"l2;" + encode(literal))
        pieces += [b"n;"] if field is None else [b"l1;", field]
    return pattern(parameters, *pieces)


def by_callable(parameters: Parameters, function: Callable[..., Any]) -> Source:
    """Return what calls the user's `function` as the task is called."""

    def computed(values: Sequence[Any]) -> bytes:
        args, kwargs = parameters.as_called(values)
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            raise UniqueKeyError(
                f"key callable {function!r} raised {error!r}"
            ) from error
        if value is None:
            raise UniqueKeyError(
                f"key callable {function!r} returned None, which would be one key for "
                "many calls: return a string or plain data"
            )
        return encoded(value)

    return computed


def encoded(value: Any) -> bytes:
    """Return the source of the key that one value makes.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    try:
        return encode(value)
    except _NOT_ENCODED as error:
        # Without the value, which may be a secret: errors are logged.
        text = f"a {type(value).__qualname__} cannot be a key: {error}; {ADVICE}"
        raise UniqueKeyError(text) from error
