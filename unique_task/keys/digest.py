"""From the arguments of a call to its key: the digest under which it is locked."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from .arguments import Parameters
from .encoding import encode
from .source import Source, encoded

#: Part of every digest. Stored locks and messages name digests, so this and the
#: encoding are a wire format: another encoding gets another number, and so other keys.
FORMAT = 1

_DIGEST_BYTES = 16


class Key:
    """Makes the keys of one task; ``key_option.key_from_option`` makes it.

    Arguments:
        parameters: of the task, without ``self``.
        source: picks or computes what makes two calls the same.
        computed: whether code of the user's does that.
    """

    def __init__(self, parameters: Parameters, source: Source, computed: bool) -> None:
        self.computed = computed
        self._parameters = parameters
        self._source = source

    def digest(
        self, namespace: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> str:
        """Return the key of a call: 32 hexadecimal digits.

        Raises:
            UniqueKeyError: if an argument cannot be part of a key.
            TypeError: if the arguments do not fit the task.
        """
        digest = _cached_hash(namespace).copy()
        digest.update(self._source(self._parameters.bind(args, kwargs)))
        return digest.hexdigest()

    def source(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return what the key of a call is made of, for :func:`digest_of_source`.

        Raises:
            UniqueKeyError: if an argument cannot be part of a key.
            TypeError: if the arguments do not fit the task.
        """
        return _as_text(self._source(self._parameters.bind(args, kwargs)))


def digest_of(namespace: str, value: Any) -> str:
    """Return the key under which `value` is locked in `namespace`.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    return _digest(namespace, encoded(value))


def source_of(value: Any) -> str:
    """Return `value` in the form that a message carries, for :func:`digest_of_source`.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    return _as_text(encoded(value))


def digest_of_source(namespace: str, source: str) -> str:
    """Return what :func:`digest_of` returns for the value that has this source.

    Raises:
        ValueError: if no value has this source.
    """
    return _digest(namespace, base64.b64decode(source, validate=True))


def digest_of_run(key: str, owner: str) -> str:
    """Return the key of one run of the task `owner`, where equal calls run at once.

    It equals ``digest_of(key, owner)``, without the cache: each run has another key.
    """
    digest = _new_hash(key)
    digest.update(encode(owner))
    return digest.hexdigest()


def _as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _digest(namespace: str, data: bytes) -> str:
    digest = _cached_hash(namespace).copy()
    digest.update(data)
    return digest.hexdigest()


def _new_hash(namespace: str) -> hashlib.blake2b:
    """Return the hash with which all digests of a namespace begin."""
    head = encode([FORMAT, namespace])
    return hashlib.blake2b(head, digest_size=_DIGEST_BYTES)


#: There are as many namespaces as tasks.
_cached_hash = lru_cache(maxsize=1024)(_new_hash)
