"""Makes a function that stands in for another one and looks like it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ..keys.arguments import signature_of

Enter = Callable[[tuple[Any, ...], dict[str, Any]], Any]


def stand_in_for(function: Callable[..., Any], enter: Enter) -> Callable[..., Any]:
    """Return a function that calls `enter`, and looks like `function`.

    It has the name, doc, signature, hints and global names of `function`.
    ``typing.get_type_hints()`` and Celery's ``pydantic=True`` evaluate hints that are
    texts with the global names of the function. They must be those of the author's
    module, not of this one.
    """

    def called(*args: Any, **kwargs: Any) -> Any:
        return enter(args, kwargs)  # uses no global names: they are not ours

    names = getattr(inspect.unwrap(function), "__globals__", called.__globals__)
    code, cells = called.__code__, called.__closure__
    stand_in = functools.wraps(function)(FunctionType(code, names, closure=cells))
    # Celery checks the arguments of delay() by the signature of what it decorates.
    setattr(stand_in, "__signature__", signature_of(function))
    # Celery unwraps a function with this attribute when it applies "@run" annotations.
    del stand_in.__wrapped__
    return stand_in
