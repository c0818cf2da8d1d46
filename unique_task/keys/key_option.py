"""Reads the option ``key=``: what makes two calls of a task the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from string import Formatter
from typing import Any, Union

from ..exceptions import ConfigurationError
from .arguments import Parameters, signature_of
from .digest import Key
from .encoding import encode
from .source import Source, by_all, by_callable, by_names, by_template, pattern

#: What the option ``key=`` takes; None means all parameters.
KeyOption = Union[None, str, Iterable[str], Callable[..., Any]]


def key_from_option(option: KeyOption, parameters: Parameters) -> Key:
    """Return what makes the keys of a task, by its option ``key=``.

    Arguments:
        option: all parameters (None), a template ``"order:{order_id}"``, names of
            parameters, a callable that gets the arguments, or a constant for the task.
        parameters: of the task, without ``self``.

    Raises:
        ConfigurationError: if `option` is no key, or does not fit the parameters.
    """
    return Key(parameters, _source(option, parameters), computed=callable(option))


def _source(option: KeyOption, parameters: Parameters) -> Source:
    if option is None:
        return by_all(parameters)
    if isinstance(option, str):
        return _from_template(option, parameters)
    if callable(option):
        check_callable("key", option, parameters)
        return by_callable(parameters, option)
    names = _names(option)
    _check_names(option, names, parameters)
    return by_names(parameters, names)


def _from_template(text: str, parameters: Parameters) -> Source:
    if text in parameters.names:
        raise ConfigurationError(
            f"key={text!r} is the name of a parameter and would lock the whole task: "
            f'say key="{{{text}}}" for its value'
        )
    parts = _template_parts(text)
    fields = [field for _, field in parts if field is not None]
    _check_names(text, fields, parameters)
    if not fields:
        return pattern(parameters, encode(text))
    if parts == [("", fields[0])]:
        return by_names(parameters, fields)
    return by_template(parameters, parts)


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


def _names(option: Iterable[str]) -> list[str]:
    names = list(option) if isinstance(option, (list, tuple, set, frozenset)) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            f"key={option!r} is not a key: allowed are a callable, a template such as "
            '"order:{order_id}", a list of parameter names, or None for all parameters'
        )
    # Two processes may see a set in two orders.
    return sorted(names) if isinstance(option, (set, frozenset)) else names


def _check_names(option: object, names: Iterable[str], parameters: Parameters) -> None:
    for name in names:
        if name not in parameters.names:
            known = ", ".join(parameters.names) or "none"
            raise ConfigurationError(
                f"key={option!r}: {name!r} is no parameter of the task; it has: {known}"
            )


def check_callable(
    name: str, function: Callable[..., Any], parameters: Parameters
) -> None:
    """Raise ConfigurationError if a callable does not take the arguments of a task.

    Arguments:
        name: of the option that was given the callable.
        parameters: of the task, without ``self``.
    """
    values: list[Any] = [
        () if parameter.kind is not parameter.VAR_KEYWORD else {}
        for parameter in parameters.signature.parameters.values()
    ]
    args, kwargs = parameters.as_called(values)
    try:
        signature_of(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigurationError(
            f"{name}={function!r} is called as the task is, with "
            f"{', '.join(parameters.names) or 'nothing'}, and does not fit: {error}"
        ) from error
    except ValueError:  # a builtin without a signature
        return
