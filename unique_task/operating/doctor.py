"""Checks all that may let a task run twice, or not at all: the doctor."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from celery import Celery

from ..backends.base import Backend
from ..backends.findings import Finding, Level
from ..exceptions import UniqueError
from ..options.app_settings import settings_of
from ..options.shadow import NOT_GUARDED
from .app_tasks import guarded_tasks, stores_of
from .broker import Broker
from .checks_queues import examine_queues
from .checks_stores import Clock, examine_store, findings_of
from .checks_tasks import Guarded, examine_tasks
from .checks_workers import examine_workers
from .workers import TIMEOUT

_END_SHADOW = "look at what it counts, then set it to True"


def examine(
    app: Celery, *, timeout: float = TIMEOUT, now: Clock = time.time
) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it is known.

    Arguments:
        app: with all its tasks, as a worker imports them.
        timeout: seconds to wait for the workers' answers; 0 not to ask them.
        now: returns seconds since 1970.
    """
    try:
        guarded, of_settings = _examine_settings(app)
        stores = stores_of(app).values() if guarded is not None else ()
    except UniqueError as error:
        yield _misfit(error)
        return
    yield from of_settings
    if guarded is None:
        return
    for store in stores:
        yield from examine_store(store, now)
    yield from _examine_tasks(app, guarded)
    yield from examine_workers(app, timeout, now)


def examine_options(app: Celery) -> Iterator[Finding]:
    """Yield what is found of settings and tasks; no store, broker or worker is asked.

    Arguments:
        app: with all its tasks, as a worker imports them.
    """
    try:
        guarded, of_settings = _examine_settings(app)
    except UniqueError as error:
        yield _misfit(error)
        return
    yield from of_settings
    if guarded is not None:
        yield from _examine_tasks(app, guarded)


def _examine_settings(app: Celery) -> tuple[list[Guarded] | None, list[Finding]]:
    """Return the guarded tasks, None if guards are off, and what is found of settings.

    Raises:
        UniqueError: if they cannot be used.
    """
    settings = settings_of(app)
    if not settings.enabled:
        found = "unique_enabled is False: no task is guarded against duplicates"
        return None, [Finding("settings", Level.WARN, found, "set it to True")]
    guarded, findings = _checked(app), []
    if settings.shadow:
        findings = [Finding("settings", Level.WARN, NOT_GUARDED, _END_SHADOW)]
    known = Finding("settings", Level.OK, f"{len(guarded)} unique tasks")
    return guarded, [*findings, known]


def _misfit(error: UniqueError) -> Finding:
    return Finding("settings", Level.FAIL, str(error), "correct it; workers need it")


def _examine_tasks(app: Celery, guarded: list[Guarded]) -> Iterator[Finding]:
    broker = Broker.of(app)
    yield from examine_tasks(guarded, broker)
    yield from examine_queues(app, guarded, broker)


def warnings_at_start(app: Celery, stores: Iterable[Backend]) -> list[str]:
    """Return what a worker warns of when it starts: what takes no time to see."""
    found = [
        replace(one, where=store.name) for store in stores for one in findings_of(store)
    ]
    found += examine_tasks(_checked(app), Broker.of(app))
    warned = [one for one in found if one.level is Level.WARN and one.at_start]
    return sorted({str(one) for one in warned})


def _checked(app: Celery) -> list[Guarded]:
    """Return all guarded tasks; an error if options and settings do not fit."""
    settings, found = settings_of(app), []
    for name, spec in guarded_tasks(app):
        task = app.tasks[name]
        spec.check(task, settings)
        found.append(Guarded(task, spec.plan(task, settings)))
    return found
