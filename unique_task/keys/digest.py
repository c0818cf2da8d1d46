"""From the value that tells calls apart to the digest under which it is locked."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

from ..exceptions import UniqueKeyError
from .encoding import UnsupportedTypeError, encode

#: Part of every digest: another encoding gets another number, and so other keys.
FORMAT = 1

_DIGEST_BYTES = 16

ADVICE = "pass key= to @unique with what tells this call from another"

#: What :func:`encode` raises for what is no plain data, or is nested without end.
NO_KEY = (UnsupportedTypeError, RecursionError)


def digest_of(namespace: str, value: Any) -> str:
    """Return the key under which `value` is locked in `namespace`.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    return _digest(namespace, _encoded(value))


def source_of(value: Any) -> str:
    """Return `value` as a message can carry it, for :func:`digest_of_source`.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    return base64.b64encode(_encoded(value)).decode()


def digest_of_source(namespace: str, source: str) -> str:
    """Return what :func:`digest_of` returns for the value that has this source.

    Raises:
        ValueError: if it is the source of nothing.
    """
    return _digest(namespace, base64.b64decode(source, validate=True))


def _encoded(value: Any) -> bytes:
    try:
        return encode(value)
    except NO_KEY as error:
        # Without the value, which may be a secret: errors are logged.
        text = f"a {type(value).__qualname__} cannot be a key: {error}; {ADVICE}"
        raise UniqueKeyError(text) from error


def _digest(namespace: str, data: bytes) -> str:
    digest = _remembered_beginning(namespace).copy()
    digest.update(data)
    return digest.hexdigest()


def digest_of_run(key: str, owner: str) -> str:
    """Return the key of the run of the task `owner` where runs of `key` are not alike.

    As :func:`digest_of` would, but for that it remembers nothing: there are as many.
    """
    digest = _beginning(key)
    digest.update(encode(owner))
    return digest.hexdigest()


def _beginning(namespace: str) -> hashlib.blake2b:
    """Return what all digests of a namespace begin with."""
    head = encode([FORMAT, namespace])
    return hashlib.blake2b(head, digest_size=_DIGEST_BYTES)


#: There are as many namespaces as tasks.
_remembered_beginning = lru_cache(maxsize=1024)(_beginning)
