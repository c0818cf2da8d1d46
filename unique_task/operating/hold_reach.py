"""Finds the workers that run the calls of a key although it is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..backends.findings import Finding, Level
from .about import ABOUT
from .checks_workers import is_known
from .targets import Target
from .workers import Workers


def not_reached(target: Target, workers: Workers) -> Iterator[Finding]:
    """Yield a finding for each worker that answers and does not heed the hold."""
    for node, answer in workers.ask(ABOUT).replies:
        reason = _reason(answer, target) if is_known(answer) else ""
        if reason:
            found = f"{reason}: it runs calls of the key all the same"
            yield Finding("hold", Level.WARN, found, where=node)


def _reason(about: Mapping[str, Any], target: Target) -> str:
    """Return why a worker does not heed a hold; empty if it does."""
    if about.get("shadow"):
        return 'unique_enabled is "shadow" there'
    if not about["tasks"]:
        return "it guards no task"
    task = about["tasks"].get(target.task)
    # It may have other tasks, or the key may be of any.
    if task is None or task.get("store") == target.backend.fingerprint:
        return ""
    return "it has its locks in another store"
