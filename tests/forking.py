"""A forked child of the test's process, and what it found out."""

import warnings
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from typing import Generic, TypeVar

Found = TypeVar("Found")

fork = get_context("fork")


def start_fork(function: Callable[[], object]) -> ForkProcess:
    """Start a child that calls `function` at once, beside the parent."""
    process = fork.Process(target=function)
    with warnings.catch_warnings():
        # That the parent has threads is what Python warns of, and what we try.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


class Fork(Generic[Found]):
    """A child that calls `function` at once, beside the parent."""

    def __init__(self, function: Callable[[], Found]) -> None:
        self._answers, answer = fork.Pipe(duplex=False)
        self._process = start_fork(lambda: answer.send(function()))
        # Else the child's end would not end the pipe.
        answer.close()

    def result(self, timeout: float = 30) -> Found:
        """What the function returned, when the child has ended."""
        with self._answers:
            assert self._answers.poll(timeout), f"no answer of the child in {timeout} s"
            try:
                found: Found = self._answers.recv()
            except EOFError:
                raise AssertionError("the child failed; its stderr says why") from None
        self._process.join(timeout)
        return found


def in_fork(function: Callable[[], Found]) -> Found:
    """Return what `function` returns when a forked child calls it."""
    return Fork(function).result()
