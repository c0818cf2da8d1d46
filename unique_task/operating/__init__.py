"""Seeing and steering locks: what is held and by whom, for all faces."""

from .app_tasks import UnknownCallError
from .details import Detail, show
from .explanation import Explanation, Place, explain
from .holders import Holder, Lock, Missing, Waiting, as_plain

__all__ = [
    # operations
    "explain",
    "show",
    # what they return
    "Detail",
    "Explanation",
    "Holder",
    "Lock",
    "Missing",
    "Place",
    "Waiting",
    "as_plain",
    # errors
    "UnknownCallError",
]
