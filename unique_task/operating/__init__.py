"""Seeing and steering locks: what is held and by whom, for all faces."""

from ..backends.findings import Finding, Level
from .app_tasks import UnknownCallError, stores
from .counted import Counters, History, counters, history
from .details import Detail, locks_of, show
from .doctor import examine, examine_options
from .explanation import Explanation, Place, explain
from .freeing import OFFERED, REFUSED, RELEASED, Released, release
from .holders import Holder, Lock, Missing, Waiting, as_plain
from .holding import Hold, hold
from .inventory import Page, Wanted, locks, page
from .left_behind import LeftBehind, Marked
from .measures import MEASURES, Kind, Measure, Point, Points
from .measuring import Measurements
from .targets import is_call
from .task_plans import TaskPlan, tasks

__all__ = [
    # operations
    "counters",
    "examine",
    "examine_options",
    "explain",
    "history",
    "hold",
    "locks",
    "locks_of",
    "page",
    "release",
    "show",
    "stores",
    "tasks",
    # outcomes of a release
    "OFFERED",
    "REFUSED",
    "RELEASED",
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
    "History",
    "Hold",
    "Holder",
    "LeftBehind",
    "Level",
    "Lock",
    "Marked",
    "Missing",
    "Page",
    "Place",
    "Released",
    "TaskPlan",
    "Waiting",
    "as_plain",
    # errors
    "UnknownCallError",
]
