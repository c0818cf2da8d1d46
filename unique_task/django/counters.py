"""What was counted of each task lately: a table, with a line of the last hour."""

from __future__ import annotations

from typing import Any

from celery import Celery

from ..pages.lines import top_of
from ..pages.rates import Rates, TaskRates, rates

#: Of a line, in pixels.
_WIDTH, _HEIGHT = 120, 24


def counters(app: Celery) -> dict[str, Any]:
    """Return what the template of the counters shows.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    found = rates(app)
    heads = (column.head.capitalize() for column in found.columns)
    return {
        "heads": ("Task", "Lock", *heads, "Runs by minute"),
        "rows": [_row(found, one) for one in found.tasks],
        "missing": found.missing,
    }


def _row(found: Rates, one: TaskRates) -> dict[str, Any]:
    both = one.last_hour, one.lately
    counted = (
        # Nobody knows, which is not 0.
        " / ".join(map(column.total, both)) if one.known else "-"
        for column in found.columns
    )
    # A line of its own scale each: one busy task would make the others flat.
    lines = one.lines[:1]
    return {
        "task": one.task,
        "cells": (one.plan.lock if one.plan else "-", *counted),
        "lines": [
            {"words": line.words, "points": line.points(_WIDTH, _HEIGHT, top_of(lines))}
            for line in lines
        ],
    }
