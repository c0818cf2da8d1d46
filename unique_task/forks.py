"""What has to be made anew in a forked process."""

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
    """What is called around each fork; a reference to it, which may be dead."""

    before: Callable[[], _Call | None] = lambda: None
    in_parent: Callable[[], _Call | None] = lambda: None
    in_fork: Callable[[], _Call | None] = lambda: None


# Python cannot take back what it calls around forks. So that is one function for all,
# and what belongs to an object goes with that.
_hooks: dict[int, _Hooks] = {}
_numbers = count()


def in_forks(function: Callable[[], object]) -> None:
    """Call `function` in each process that this one forks, before anything else there.

    Not where no process can be forked, as on Windows.
    """
    _hooks[next(_numbers)] = _Hooks(in_fork=lambda: function)


def in_forks_of(method: Callable[[], object]) -> None:
    """Call a method of an object in forks as long as that lives."""
    number = next(_numbers)
    _hooks[number] = _Hooks(in_fork=_while_alive(method, number))


def around_forks_of(
    before: Callable[[], object],
    in_parent: Callable[[], object],
    in_fork: Callable[[], object],
) -> None:
    """The same with three: before each fork, and after it in both processes."""
    number = next(_numbers)
    methods = (_while_alive(method, number) for method in (before, in_parent, in_fork))
    _hooks[number] = _Hooks(*methods)


def _while_alive(method: _Call, number: int) -> Callable[[], _Call | None]:
    # Bound to it here: when the interpreter ends, names go before the objects.
    forget = _hooks.pop
    return WeakMethod(method, lambda _: forget(number, None))


def _before() -> None:
    # The last one first, as Python does it.
    for hooks in reversed(_known()):
        _call(hooks.before)


def _after_in_parent() -> None:
    for hooks in _known():
        _call(hooks.in_parent)


def _after_in_fork() -> None:
    for hooks in _known():
        _call(hooks.in_fork)


def _known() -> list[_Hooks]:
    # Of a copy, made in one step: others come and go meanwhile.
    return list(_hooks.copy().values())


def _call(found: Callable[[], _Call | None]) -> None:
    call = found()
    if call is None:
        return
    try:
        call()
    except Exception:  # of one; the others have to be called all the same
        logger.exception("%r failed around a fork", call)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_fork,
    )
