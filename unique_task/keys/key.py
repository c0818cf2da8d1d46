"""What makes two calls of a task the same: the value that the option ``key=`` picks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from string import Formatter
from typing import Any, Union

from ..exceptions import ConfigurationError, UniqueKeyError
from .arguments import Parameters, signature_of
from .digest import ADVICE, NO_KEY, digest_of
from .encoding import encode

#: What the option ``key=`` takes; None means all parameters.
KeyOption = Union[None, str, Iterable[str], Callable[..., Any]]

#: From the bound arguments of a call to the value that stands for it.
KeyFunction = Callable[[dict[str, Any]], Any]


class Key:
    """Makes the keys of one task.

    Arguments:
        option: all parameters (None), a template ``"order:{order_id}"``, names of
            parameters, a callable that gets the arguments, or a constant for the task.
        parameters: of the task, without ``self``.

    Raises:
        ConfigurationError: if `option` names what is no parameter.
    """

    def __init__(self, option: KeyOption, parameters: Parameters) -> None:
        self._parameters = parameters
        self._value = _key_function(option, parameters)
        self._is_computed = callable(option)

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
            raise self._blamed(values, error) from error.__cause__

    def value(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the value that stands for a call.

        Raises:
            UniqueKeyError: if a callable makes it, and fails.
            TypeError: if the arguments do not fit the task.
        """
        return self._value(self._parameters.bind(args, kwargs))

    def _blamed(
        self, values: Mapping[str, Any], error: UniqueKeyError
    ) -> UniqueKeyError:
        """Return the error with the name of the parameter to blame, if there is one."""
        if self._is_computed:
            return error
        for name, value in values.items():
            try:
                encode(value)
            except NO_KEY as reason:
                return UniqueKeyError(
                    f"parameter {name!r} cannot be part of a key: {reason}; {ADVICE}"
                )
        return error


def _key_function(option: KeyOption, parameters: Parameters) -> KeyFunction:
    if option is None:
        return _all_parameters
    if isinstance(option, str):
        return _template(option, parameters)
    if callable(option):
        return _by_callable(option, parameters)
    return _by_names(option, parameters)


def _all_parameters(values: dict[str, Any]) -> Any:
    return values


def _template(text: str, parameters: Parameters) -> KeyFunction:
    if text in parameters.names:
        raise ConfigurationError(
            f"key={text!r} is the name of a parameter and would lock the whole task: "
            f'say key="{{{text}}}" for its value'
        )
    parts = _template_parts(text)
    fields = [field for _, field in parts if field is not None]
    _check_names(text, fields, parameters)
    if not fields:
        return lambda values: text
    if parts == [("", fields[0])]:
        return lambda values: values[fields[0]]
    # Typed fields between literals, not a formatted text: "{a}{b}" cannot collide.
    return lambda values: [
        (literal, None if field is None else [values[field]])
        for literal, field in parts
    ]


def _template_parts(text: str) -> list[tuple[str, str | None]]:
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigurationError(f"key={text!r} is no template: {error}") from error
    for _, field, spec, conversion in parsed:
        if spec or conversion or (field is not None and not field.isidentifier()):
            raise ConfigurationError(
                f"key={text!r}: {{{field}}} must be a bare {{name}} of a parameter, "
                "without index, attribute, format or conversion; "
                "for more, pass a callable"
            )
    return [(literal, field) for literal, field, _, _ in parsed]


def _by_names(option: Iterable[str], parameters: Parameters) -> KeyFunction:
    names = _names(option)
    _check_names(option, names, parameters)
    if len(names) == 1:
        return lambda values: values[names[0]]
    return lambda values: [values[name] for name in names]


def _names(option: Iterable[str]) -> list[str]:
    names = list(option) if isinstance(option, (list, tuple, set, frozenset)) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            f"key={option!r} is not a key: allowed are a callable, a template such as "
            '"order:{order_id}", a list of parameter names, or None for all parameters'
        )
    # A set has no order of its own, and two processes may see it in two orders.
    return sorted(names) if isinstance(option, (set, frozenset)) else names


def _check_names(option: object, names: Iterable[str], parameters: Parameters) -> None:
    for name in names:
        if name not in parameters.names:
            known = ", ".join(parameters.names) or "none"
            raise ConfigurationError(
                f"key={option!r}: {name!r} is no parameter of the task; it has: {known}"
            )


def _by_callable(function: Callable[..., Any], parameters: Parameters) -> KeyFunction:
    _check_call(function, parameters)

    def value_of(values: dict[str, Any]) -> Any:
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

    return value_of


def _check_call(function: Callable[..., Any], parameters: Parameters) -> None:
    names: dict[str, Any] = {
        name: () if parameter.kind is not parameter.VAR_KEYWORD else {}
        for name, parameter in parameters.signature.parameters.items()
    }
    args, kwargs = parameters.as_called(names)
    try:
        signature_of(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigurationError(
            f"key={function!r} is called as the task is, with "
            f"{', '.join(parameters.names) or 'nothing'}, and cannot be: {error}"
        ) from error
    except ValueError:  # a builtin that tells no signature
        return
