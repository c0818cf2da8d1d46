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
        settings = settings_of(app)
        if not settings.enabled:
            found = "unique_enabled is False: no task is guarded against duplicates"
            yield Finding("settings", Level.WARN, found, "set it to True")
            return
        if settings.shadow:
            yield Finding("settings", Level.WARN, NOT_GUARDED, _END_SHADOW)
        guarded, stores = _checked(app), stores_of(app).values()
    except UniqueError as error:
        yield Finding("settings", Level.FAIL, str(error), "correct it; workers need it")
        return
    yield Finding("settings", Level.OK, f"{len(guarded)} unique tasks")
    for store in stores:
        yield from examine_store(store, now)
    broker = Broker.of(app)
    yield from examine_tasks(guarded, broker)
    yield from examine_queues(app, guarded, broker)
    yield from examine_workers(app, timeout, now)


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
