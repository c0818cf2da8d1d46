"""Seeing and steering locks: what is held and by whom, for all faces."""

from ..backends.findings import Finding, Level
from .app_tasks import UnknownCallError, stores
from .counted import Counters, counters
from .details import Detail, show
from .doctor import examine
from .explanation import Explanation, Place, explain
from .freeing import OFFERED, REFUSED, Released, release
from .holders import Holder, Lock, Missing, Waiting, as_plain
from .holding import Hold, hold
from .inventory import Wanted, locks
from .left_behind import LeftBehind, Marked
from .measures import MEASURES, Kind, Measure, Point, Points
from .measuring import Measurements
from .targets import is_call

__all__ = [
    # operations
    "counters",
    "examine",
    "explain",
    "hold",
    "locks",
    "release",
    "show",
    "stores",
    # outcomes of a release
    "OFFERED",
    "REFUSED",
    # which locks
    "Wanted",
    "is_call",
    # what to measure, again and again
    "MEASURES",
    "Kind",
    "Measure",
    "Measurements",
    "Point",
    "Points",
    # what they return
    "Counters",
    "Detail",
    "Explanation",
    "Finding",
    "Hold",
    "Holder",
    "LeftBehind",
    "Level",
    "Lock",
    "Marked",
    "Missing",
    "Place",
    "Released",
    "Waiting",
    "as_plain",
    # errors
    "UnknownCallError",
]
