"""Finds how Celery's ``pydantic=True`` validates the arguments of a task."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..keys.arguments import models_in
from ..options.run_function import is_of_celery, layers_of


@dataclass(eq=False, repr=False)
class Model:
    """A pydantic model, with the options by which Celery validates an argument.

    Attributes:
        kind: the model.
        strict: the task's ``pydantic_strict``.
        context: the task's ``pydantic_context``, with what Celery adds.
    """

    kind: Any
    strict: bool
    context: Mapping[str, Any]

    def model_validate(self, value: Any) -> Any:
        """Return what the body of the task gets in place of `value`.

        Raises:
            pydantic.ValidationError: if the model does not take it.
        """
        context = dict(self.context)
        return self.kind.model_validate(value, strict=self.strict, context=context)


def validator_in(run: Any) -> Callable[..., Any] | None:
    """Return the wrapper of ``pydantic=True`` around `run` or inside it, if any."""
    return next(filter(is_of_celery, layers_of(run)), None)


def models_by(validator: Callable[..., Any]) -> dict[str, Model]:
    """Return the models by which Celery validates the arguments of a task.

    Arguments:
        validator: Celery's wrapper around the task's function. Only it knows the task's
            options for validation, and the hints as it reads them.
    """
    known = _known_to(validator)
    context = {
        **(known.get("context") or {}),
        "celery_app": known.get("app"),
        "celery_task_name": known.get("task_name"),
    }
    strict = bool(known.get("strict", False))
    hints = {**validator.__annotations__, **(known.get("type_hints") or {})}
    models = models_in(hints).items()
    return {name: Model(kind, strict, context) for name, kind in models}


def _known_to(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the nonlocal variables of `function`, and of functions of Celery there."""
    nonlocals = dict(inspect.getclosurevars(function).nonlocals)
    for value in list(nonlocals.values()):
        if isinstance(value, types.FunctionType) and is_of_celery(value):
            nonlocals = {**_known_to(value), **nonlocals}
    return nonlocals
