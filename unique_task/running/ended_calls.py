"""Spares Celery the traceback of a call that the guard ended in place of its body."""

from __future__ import annotations

import sys
from typing import Any

from billiard import einfo

from ..messages.states import Ended

# Billiard's types lack ExceptionWithTraceback.
_reports: Any = einfo


def exception_info(exc_info: Any = None, internal: bool = False) -> Any:
    """Return Celery's report of an exception; stands in for its ``ExceptionInfo``.

    For each Ignore, Celery makes two reports and shows none. A report has a copy of
    each frame, with the position of each instruction, and one goes from the child to
    its parent. That takes far longer than all else that is done for a duplicate. The
    parent needs only the exception.
    """
    error = (exc_info or sys.exc_info())[1]
    if not isinstance(error, Ended):
        return _reports.ExceptionInfo(exc_info, internal)
    info = _reports.ExceptionInfo.__new__(_reports.ExceptionInfo)
    info.type, info.internal = type(error), internal
    info.traceback = f"{type(error).__name__}: {error}\n"
    info.exception = _reports.ExceptionWithTraceback(error, info.traceback)
    return info
