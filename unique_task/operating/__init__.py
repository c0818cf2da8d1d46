"""Seeing and steering locks: what is held and by whom, for all faces."""

from ..backends.findings import Finding, Level
from .app_tasks import UnknownCallError
from .details import Detail, show
from .doctor import examine
from .explanation import Explanation, Place, explain
from .holders import Holder, Lock, Missing, Waiting, as_plain

__all__ = [
    # operations
    "examine",
    "explain",
    "show",
    # what they return
    "Detail",
    "Explanation",
    "Finding",
    "Holder",
    "Level",
    "Lock",
    "Missing",
    "Place",
    "Waiting",
    "as_plain",
    # errors
    "UnknownCallError",
]
