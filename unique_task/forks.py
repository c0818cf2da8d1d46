"""What has to be made anew in a forked process."""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod


def in_forks(function: Callable[[], object]) -> None:
    """Call `function` in each process that this one forks, before anything else there.

    Not where no process can be forked, as on Windows.
    """
    _register(after_in_child=function)


def in_forks_of(method: Callable[[], object]) -> None:
    """Call a method of an object in forks as long as that lives."""
    in_forks(_while_alive(method))


def around_forks_of(
    before: Callable[[], object],
    in_parent: Callable[[], object],
    in_fork: Callable[[], object],
) -> None:
    """The same with three: before each fork, and after it in both processes."""
    _register(
        before=_while_alive(before),
        after_in_parent=_while_alive(in_parent),
        after_in_child=_while_alive(in_fork),
    )


def _register(**hooks: Callable[[], object]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


def _while_alive(method: Callable[[], object]) -> Callable[[], None]:
    alive = WeakMethod(method)

    def call() -> None:
        bound = alive()
        if bound is not None:
            bound()

    return call
