"""What recipes are made of: ``unique`` with some of its options set."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from celery import Task
from celery.local import Proxy

from ..durations import seconds
from ..exceptions import ConfigurationError
from .decorator import Decorator, unique


def recipe(name: str, options: Mapping[str, Any], **own: Any) -> Decorator:
    """Return ``unique`` with the options of a recipe and those of its user.

    Raises:
        ConfigurationError: for an option that the recipe itself sets.
    """
    for option in own.keys() & options.keys():
        raise ConfigurationError(
            f"{name}({option}={options[option]!r}): the recipe is {option}="
            f"{own[option]!r}; for another, use @unique(...) with its other options"
        )
    return unique(**own, **options)


def decorated(function: Any, decorate: Decorator) -> Any:
    """Decorate the function, if there is one; else return the decorator."""
    return decorate if function is None else decorate(function)


def recipe_time(recipe: str, name: str, value: Any) -> float:
    """Return the seconds that a recipe was given first.

    Raises:
        ConfigurationError: if `value` is no duration, or the recipe stands bare.
    """
    if is_task(value):
        raise ConfigurationError(
            f"@{recipe} without parentheses: give the seconds, as in @{recipe}(60)"
        )
    return seconds(name, value)


def is_task(value: Any) -> bool:
    """Tell whether a recipe without parentheses got this: a function or a task.

    A lazy task, which is a proxy, stays lazy.
    """
    return (
        issubclass(type(value), Proxy)
        or isinstance(value, (Task, type))
        or inspect.isroutine(value)
    )
