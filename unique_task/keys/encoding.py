"""Plain values as bytes, so that two values share their bytes only if they are equal.

Every value is written as a tag and either a length or an end mark, which makes the
encoding prefix-free: no concatenation of values can be read as another one. ``1``,
``"1"``, ``True`` and ``1.0`` differ by their tags.

Values that a serializer makes equal are equal here, because the publisher has them
before it and the worker after it: a tuple is a list, the keys of a dict are spelled as
in JSON, an enum that is also a string or number is that string or number.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from kombu.utils.json import textual_types


class UnsupportedTypeError(TypeError):
    """The value is of a type that has no canonical form."""


def encode(value: Any) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        UnsupportedTypeError: for a type that has no canonical form.

    >>> encode([1, "a"])
    b'l2;i1;s1;a'
    """
    # Most arguments are texts and integers: they need no further call.
    kind = type(value)
    if kind is int:
        return b"i%x;" % value
    if kind is str and value.isascii():
        return b"s%d;" % len(value) + str.encode(value)
    return _BASIC.get(kind, _other)(value)


def _other(value: Any) -> bytes:
    if type(value) in _SPECIAL:
        return _SPECIAL[type(value)](value)
    for applies, writer in _KINDS:
        if applies(value):
            return writer(value)
    raise UnsupportedTypeError(f"{type(value).__qualname__} has no canonical form")


def _is_instance_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _has(attribute: str) -> Callable[[Any], bool]:
    return lambda value: hasattr(type(value), attribute)


def _sized(tag: bytes, body: bytes) -> bytes:
    return b"%b%d;%b" % (tag, len(body), body)


def _counted(tag: bytes, items: Iterable[bytes]) -> bytes:
    parts = list(items)
    return b"%b%d;%b" % (tag, len(parts), b"".join(parts))


def _text(value: str) -> bytes:
    try:
        return _sized(b"s", str.encode(value))
    except UnicodeEncodeError:
        # JSON carries lone surrogates, and makes one character of a pair of them.
        pairs = str.encode(value, "utf-16", "surrogatepass")
        text = pairs.decode("utf-16", "surrogatepass")
        return _sized(b"s", text.encode("utf-8", "surrogatepass"))


def _integer(value: int) -> bytes:
    # Hexadecimal, because Python refuses to write very long decimal numbers.
    return b"i%x;" % value


def _float(value: float) -> bytes:
    return b"d%b;" % float.__repr__(value).encode()


def _bytes(value: bytes) -> bytes:
    return _sized(b"b", bytes(value))


def _list(value: Iterable[Any]) -> bytes:
    return _counted(b"l", map(encode, value))


def _set(value: Iterable[Any]) -> bytes:
    return _counted(b"S", sorted(map(encode, value)))


def _dict(value: dict[Any, Any]) -> bytes:
    # A later key wins over an equal one, as it does in the JSON that the worker reads.
    items = {_dict_key(key): item for key, item in value.items()}
    return _counted(b"m", (key + encode(items[key]) for key in sorted(items)))


def _dict_key(key: Any) -> bytes:
    if type(key) is str:
        return _text(key) if len(key) > _NAME else _name(key)
    if key is None or isinstance(key, (bool, int, float)):
        return _text(json.dumps(key))
    return encode(key)


#: Names of parameters and fields come often: the bytes of names up to this length are
#: cached.
_NAME = 64


@lru_cache(maxsize=1024)
def _name(key: str) -> bytes:
    return _text(key)


def _spelled(tag: bytes, spell: Callable[[Any], str]) -> Callable[[Any], bytes]:
    return lambda value: _sized(tag, spell(value).encode())


def _timedelta(value: datetime.timedelta) -> bytes:
    return _sized(b"P", b"%d;%d;%d" % (value.days, value.seconds, value.microseconds))


def _enum(value: enum.Enum) -> bytes:
    return _sized(b"E", _type_name(value) + _text(value.name))


def _dataclass(value: Any) -> bytes:
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return _sized(b"C", _type_name(value) + _dict(fields))


def _model(value: Any) -> bytes:
    fields = {name: getattr(value, name) for name in type(value).__pydantic_fields__}
    return _dict({**fields, **(value.__pydantic_extra__ or {})})


def _json_form(value: Any) -> bytes:
    return encode(value.__json__())


def _type_name(value: Any) -> bytes:
    return _text(f"{type(value).__module__}.{type(value).__qualname__}")


#: The types of JSON.
_BASIC: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    bool: lambda value: b"t;" if value else b"f;",  # before int, which it is too
    int: _integer,
    type(None): lambda value: b"n;",
    float: _float,
    list: _list,
    tuple: _list,
    dict: _dict,
}

_SPECIAL: dict[type, Callable[[Any], bytes]] = {
    bytes: _bytes,
    bytearray: _bytes,
    set: _set,
    frozenset: _set,
    datetime.datetime: _spelled(b"T", lambda value: str(value.isoformat())),
    datetime.date: _spelled(b"D", lambda value: str(value.isoformat())),
    datetime.time: _spelled(b"H", lambda value: str(value.isoformat())),
    datetime.timedelta: _timedelta,
    decimal.Decimal: _spelled(b"N", str),
    uuid.UUID: _spelled(b"U", lambda value: str(value.hex)),
    enum.Enum: _enum,
    **{kind: lambda value: _text(str(value)) for kind in textual_types},
}

# In the order of kombu's JSON: the types of JSON, `__json__`, the rest.
_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], bytes]], ...] = (
    *((_is_instance_of(kind), writer) for kind, writer in _BASIC.items()),
    (_has("__json__"), _json_form),
    *((_is_instance_of(kind), writer) for kind, writer in _SPECIAL.items()),
    (_has("__dataclass_fields__"), _dataclass),
    (_has("__pydantic_fields__"), _model),
)
