"""What ``manage.py check`` finds of unique tasks; nothing is asked but the project."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from celery import Celery
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import router

from .. import operating
from ..exceptions import ConfigurationError, UniqueError
from ..operating import Level
from ..options.settings import DEFAULTS
from .project_app import bare_app, celery_app

#: The tag of these checks.
TAG = "unique_task"

#: Name of a check -> the number in its id. Projects silence checks by their ids.
NUMBERS = {
    "app": 1,
    "imports": 2,
    "settings": 3,
    "prefix": 4,
    "tables": 5,
    "waits": 6,
    "time_limits": 7,
    "run_expire": 8,
    "message_expire": 9,
    "acks_late": 10,
    "results": 11,
    "queues": 12,
}

#: The name of a store in a database of Django's that is not in memory.
_DATABASE = re.compile(r"django-db://(\S+) \((?!in memory)")

_NO_TABLES = (
    "its workers have to create the tables: let the router allow it for "
    "app_label='unique_task', and leave the migration in MIGRATION_MODULES; or have "
    "the tables created by the SQL of manage.py sqlmigrate unique_task 0001"
)


def check_unique_tasks(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Return what the doctor finds of settings and tasks of the project's Celery app.

    What is good and what is unknown is left out.

    Arguments:
        app_configs: the Django apps that are checked, None for all of them. These
            checks are of the whole project.
    """
    try:
        bare_app()
    except ConfigurationError as missing:
        return [_warning("app", *str(missing).split(": ", 1))]
    try:
        return list(_examined(celery_app()))
    # Of a module of tasks it may be any, and other checks have more to tell.
    except Exception as error:
        found = f"the Celery app cannot be checked: {type(error).__name__}: {error}"
        return [_error("imports", found, "correct it; workers need it")]


def _examined(app: Celery) -> Iterator[CheckMessage]:
    yield from _without_prefix(app)
    for finding in operating.examine_options(app):
        if finding.level is Level.FAIL:
            yield _error(finding.name, finding.found, finding.advice)
        elif finding.level is Level.WARN:
            yield _warning(finding.name, finding.found, finding.advice)
    yield from _without_tables(app)


def _without_prefix(app: Celery) -> Iterator[CheckMessage]:
    """Yield the settings that Celery does not find, as they lack its namespace."""
    prefix = app.conf.prefix or ""
    for name in map(str.upper, DEFAULTS):
        if prefix and hasattr(settings, name):
            advice = f"call it {prefix}{name}"
            yield _warning("prefix", f"the setting {name} is not read", advice)


def _without_tables(app: Celery) -> Iterator[CheckMessage]:
    """Yield the stores in databases in which the migration makes no tables."""
    for name in _stores(app):
        alias = _DATABASE.match(name)
        if alias and not _is_migrated(alias[1]):
            found = f"the migration of unique_task makes no tables for {name}"
            yield _warning("tables", found, _NO_TABLES)


def _stores(app: Celery) -> list[str]:
    try:
        return operating.stores(app)
    except UniqueError:
        return []  # the doctor has said why, or there are no unique tasks


def _is_migrated(alias: str) -> bool:
    modules = settings.MIGRATION_MODULES
    # Projects that want no migration in tests have an object here with just these two.
    if "unique_task" in modules and modules["unique_task"] is None:
        return False
    return bool(router.allow_migrate(alias, "unique_task", model_name="lock"))


def _error(name: str, found: str, advice: str) -> CheckMessage:
    return Error(found, hint=advice, id=f"unique_task.E{NUMBERS[name]:03}")


def _warning(name: str, found: str, advice: str) -> CheckMessage:
    return Warning(found, hint=advice, id=f"unique_task.W{NUMBERS[name]:03}")
