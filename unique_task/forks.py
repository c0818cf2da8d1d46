"""What has to be made anew in a forked process."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_forks(function: Callable[[], object]) -> None:
    """Call `function` in each process that this one forks, before anything else there.

    Not where no process can be forked, as on Windows.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
