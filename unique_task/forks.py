"""Calls functions around each fork of the process, to make anew what a fork needs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from itertools import count
from typing import NamedTuple
from weakref import WeakMethod

logger = logging.getLogger(__name__)

_Call = Callable[[], object]


class _Hooks(NamedTuple):
    """References to the functions to call around a fork; each may be dead."""

    before: Callable[[], _Call | None] = lambda: None
    in_parent: Callable[[], _Call | None] = lambda: None
    in_fork: Callable[[], _Call | None] = lambda: None


# Python cannot unregister a function that it calls around forks. So it calls one for
# all, and the hooks of an object go when the object goes.
_hooks: dict[int, _Hooks] = {}
_numbers = count()


def in_forks(function: Callable[[], object]) -> None:
    """Call `function` first in each process that this one forks.

    On systems without forks, such as Windows, it is never called.
    """
    _hooks[next(_numbers)] = _Hooks(in_fork=lambda: function)


def in_forks_of(method: Callable[[], object]) -> None:
    """Call a method of an object in forks, as long as the object lives."""
    number = next(_numbers)
    _hooks[number] = _Hooks(in_fork=_while_alive(method, number))


def around_forks_of(
    before: Callable[[], object],
    in_parent: Callable[[], object],
    in_fork: Callable[[], object],
) -> None:
    """Call methods of an object before each fork, and after it in both processes."""
    number = next(_numbers)
    methods = (_while_alive(method, number) for method in (before, in_parent, in_fork))
    _hooks[number] = _Hooks(*methods)


def _while_alive(method: _Call, number: int) -> Callable[[], _Call | None]:
    # A local name: when the interpreter ends, global names go before the objects.
    forget = _hooks.pop
    return WeakMethod(method, lambda _: forget(number, None))


def _before() -> None:
    # In reverse order, as Python does it.
    for hooks in reversed(_known()):
        _call(hooks.before)


def _after_in_parent() -> None:
    for hooks in _known():
        _call(hooks.in_parent)


def _after_in_fork() -> None:
    for hooks in _known():
        _call(hooks.in_fork)


def _known() -> list[_Hooks]:
    # A copy, made in one step: other threads add and remove hooks meanwhile.
    return list(_hooks.copy().values())


def _call(found: Callable[[], _Call | None]) -> None:
    call = found()
    if call is None:
        return
    try:
        call()
    except Exception:  # the other hooks have to be called all the same
        logger.exception("%r failed around a fork", call)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_fork,
    )
