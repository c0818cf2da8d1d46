"""From the arguments of a call to its key: the digest under which it is locked."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..exceptions import UniqueKeyError
from .arguments import Parameters
from .encoding import UnsupportedTypeError, encode

#: Part of every digest. Stored locks and messages name digests, so this and the
#: encoding are a wire format: another encoding gets another number, and so other keys.
FORMAT = 1

_DIGEST_BYTES = 16

_ADVICE = "pass key= to @unique with what tells this call from another"

#: What :func:`encode` raises for what is no plain data, or is nested without end.
_NOT_ENCODED = (UnsupportedTypeError, RecursionError)

#: From the bound arguments of a call to the value that makes it the same as others.
Value = Callable[[dict[str, Any]], Any]


class Key:
    """Makes the keys of one task; ``key_option.key_from_option`` makes it.

    Arguments:
        parameters: of the task, without ``self``.
        value: picks or computes what makes two calls the same.
        computed: whether code of the user's does that.
    """

    def __init__(self, parameters: Parameters, value: Value, computed: bool) -> None:
        self.computed = computed
        self._parameters = parameters
        self._value = value

    def digest(
        self, namespace: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> str:
        """Return the key of a call: 32 hexadecimal digits.

        Raises:
            UniqueKeyError: if an argument cannot be part of a key.
            TypeError: if the arguments do not fit the task.
        """
        values = self._parameters.bind(args, kwargs)
        value = self._value(values)
        try:
            return digest_of(namespace, value)
        except UniqueKeyError as error:
            raise self._with_name(values, error) from error.__cause__

    def value(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the value that makes a call the same as others.

        Raises:
            UniqueKeyError: if a callable makes it, and fails.
            TypeError: if the arguments do not fit the task.
        """
        return self._value(self._parameters.bind(args, kwargs))

    def _with_name(
        self, values: Mapping[str, Any], error: UniqueKeyError
    ) -> UniqueKeyError:
        """Return the error with the name of the parameter that causes it, if any."""
        if self.computed:
            return error
        for name, value in values.items():
            try:
                encode(value)
            except _NOT_ENCODED as reason:
                return UniqueKeyError(
                    f"parameter {name!r} cannot be part of a key: {reason}; {_ADVICE}"
                )
        return error


def all_parameters(values: dict[str, Any]) -> Any:
    """Return the value of a call that all its arguments make."""
    return values


def by_names(names: Sequence[str]) -> Value:
    """Return what picks the arguments of these names."""
    if len(names) == 1:
        return lambda values: values[names[0]]
    return lambda values: [values[name] for name in names]


def by_template(parts: Sequence[tuple[str, str | None]]) -> Value:
    """Return what fills a template with the arguments.

    Fields keep their types between literals, so that "{a}{b}" has no collisions.

    Arguments:
        parts: literal texts, each with the field after it or None.
    """
    return lambda values: [
        (literal, None if field is None else [values[field]])
        for literal, field in parts
    ]


def by_callable(function: Callable[..., Any], parameters: Parameters) -> Value:
    """Return what calls the user's `function` as the task is called."""

    def computed_value(values: dict[str, Any]) -> Any:
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
        return value

    return computed_value


def digest_of(namespace: str, value: Any) -> str:
    """Return the key under which `value` is locked in `namespace`.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    return _digest(namespace, _encoded(value))


def source_of(value: Any) -> str:
    """Return `value` in the form that a message carries, for :func:`digest_of_source`.

    Raises:
        UniqueKeyError: if `value` is no plain data.
    """
    return base64.b64encode(_encoded(value)).decode()


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
    digest = _beginning(key)
    digest.update(encode(owner))
    return digest.hexdigest()


def _encoded(value: Any) -> bytes:
    try:
        return encode(value)
    except _NOT_ENCODED as error:
        # Without the value, which may be a secret: errors are logged.
        text = f"a {type(value).__qualname__} cannot be a key: {error}; {_ADVICE}"
        raise UniqueKeyError(text) from error


def _digest(namespace: str, data: bytes) -> str:
    digest = _cached_beginning(namespace).copy()
    digest.update(data)
    return digest.hexdigest()


def _beginning(namespace: str) -> hashlib.blake2b:
    """Return the hash with which all digests of a namespace begin."""
    head = encode([FORMAT, namespace])
    return hashlib.blake2b(head, digest_size=_DIGEST_BYTES)


#: There are as many namespaces as tasks.
_cached_beginning = lru_cache(maxsize=1024)(_beginning)
