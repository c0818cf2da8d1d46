"""The arguments of a call, bound to the parameters of a task."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..exceptions import UniqueKeyError

_PLAIN = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


# From Python 3.14 on, reading a signature evaluates annotations. These may use names
# that are imported for type checkers only.
_LENIENT: dict[str, Any] = {}
if sys.version_info >= (3, 14):
    from annotationlib import Format

    _LENIENT["annotation_format"] = Format.FORWARDREF


class Misfit(TypeError):
    """The arguments of a call do not fit the task.

    Plain Celery sends such a call, and its body fails; so does a guarded one.
    """


class Parameters:
    """The parameters of a task; binds the arguments of calls, with defaults applied.

    Arguments:
        function: the task's own function.
        bound: leave out its first parameter, the task itself (``bind=True``).
        models: pydantic models by the names of the parameters that they validate.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        bound: bool = False,
        models: Mapping[str, Any] | None = None,
    ) -> None:
        self._function = function
        self._bound = bound
        parameters = list(signature_of(function).parameters.values())[bound:]
        self.signature = inspect.Signature(parameters)
        self.names = tuple(p.name for p in parameters)
        models = models or {}
        self._models = {
            place: models[name]
            for place, name in enumerate(self.names)
            if name in models
        }
        self._plain = all(p.kind in _PLAIN for p in parameters)
        self._positional = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
        self._all_positional = self._positional == len(parameters)
        self._defaults = {
            p.name: p.default for p in parameters if p.default is not p.empty
        }

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values of all parameters, in their order.

        Raises:
            Misfit: if the arguments do not fit, or a model does not take its own.
            UniqueKeyError: if they fit a decorator, not the signature that it shows.
        """
        if self._all_positional and len(args) == self._positional and not kwargs:
            values = args
        else:
            values = self._bind(args, kwargs)
        return self._with_models(values) if self._models else values

    def _with_models(self, values: Sequence[Any]) -> Sequence[Any]:
        validated = list(values)
        for place, model in self._models.items():
            if isinstance(values[place], Mapping):
                validated[place] = self._validated(model, values[place])
        return validated

    @staticmethod
    def _validated(model: Any, value: Any) -> Any:
        try:
            return model.model_validate(value)
        except ValueError as error:  # pydantic's errors too
            raise Misfit(str(error)) from error

    def _check_decorated(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise UniqueKeyError if the call fits the function but not its signature.

        A decorator that adds an argument shows the signature of the function inside.
        """
        own = inspect.signature(self._function, follow_wrapped=False, **_LENIENT)
        if "__wrapped__" not in getattr(self._function, "__dict__", {}):
            return
        try:
            own.bind(*[None] * self._bound, *args, **kwargs)
        except TypeError:
            return
        raise UniqueKeyError(
            f"{self._function.__qualname__}(): no key, because the call does not fit "
            f"{self.signature}, which a decorator shows as its signature: put @unique "
            "below that decorator, or give the call a unique_key="
        )

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        if self._plain and len(args) <= self._positional:
            values = self._bind_plain(args, kwargs)
            if values is not None:
                return values
        try:
            call = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            self._check_decorated(args, kwargs)
            raise Misfit(str(error)) from error
        call.apply_defaults()
        return tuple(call.arguments.values())

    def _bind_plain(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Sequence[Any] | None:
        """Bind at a fraction of the cost of Signature.bind; None if it does not fit."""
        values, unused = list(args), len(kwargs)
        for name in self.names[len(args) :]:
            if name in kwargs:
                values.append(kwargs[name])
                unused -= 1
            elif name in self._defaults:
                values.append(self._defaults[name])
            else:
                return None
        return None if unused else values

    def as_called(
        self, values: Sequence[Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return the values of all parameters as ``args`` and ``kwargs`` of a call."""
        if self._all_positional:
            return values, {}
        arguments = dict(zip(self.names, values))
        call = inspect.BoundArguments(self.signature, arguments)
        return call.args, call.kwargs


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of `function`; annotations may stay unevaluated."""
    return inspect.signature(function, **_LENIENT)


def models_in(hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models by which Celery validates arguments with these hints.

    Like Celery, it takes annotations that are a model, or a model or None.
    """
    from pydantic import BaseModel

    models = {name: _without_none(hint) for name, hint in hints.items()}
    models.pop("return", None)
    return {
        name: model
        for name, model in models.items()
        if isinstance(model, type) and issubclass(model, BaseModel)
    }


def _without_none(hint: Any) -> Any:
    """Return the one type that `hint` allows beside None; else `hint` itself."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    others = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return others[0] if len(others) == 1 else hint
