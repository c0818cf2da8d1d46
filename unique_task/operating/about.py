"""What a process is, and by which rules it guards its tasks, to compare it with others.

Rules travel as digests, which two processes can compare and nobody can read.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from types import CodeType, FunctionType
from typing import Any

from celery import Celery, Task

from ..exceptions import UniqueKeyError
from ..keys.source import encoded
from ..options.app_settings import settings_of
from ..options.settings import Settings
from ..options.task_spec import TaskSpec
from .app_tasks import guarded_tasks
from .wording import made_of

#: The inspect command that asks a worker for it. A wire format, as are the names in
#: the answer.
ABOUT = "unique_task_about"


def about(app: Celery, now: Callable[[], float]) -> dict[str, Any]:
    """Return what this process is, as plain data.

    Arguments:
        now: returns seconds since 1970.
    """
    settings = settings_of(app)
    tasks = {
        name: _rules(app.tasks[name], spec, settings)
        for name, spec in guarded_tasks(app)
        if settings.enabled
    }
    return {
        "version": version(),
        "python": sys.implementation.cache_tag,
        "now": now(),
        "shadow": settings.shadow,
        "tasks": tasks,
    }


def version() -> str:
    """Return the version of this library."""
    try:
        return version_of("unique_task")
    except PackageNotFoundError:  # it runs from a folder
        return "unknown"


def _rules(task: Task, spec: TaskSpec, settings: Settings) -> dict[str, str]:
    rule = spec.key_rule(task)
    return {
        "store": spec.backend(task, settings).fingerprint,
        "key": digest(_described_key(task, spec, rule)),
        # Apart, because each version of Python compiles it anew.
        "code": digest(_code(rule.__code__)) if isinstance(rule, FunctionType) else "",
        "options": digest(described(spec.plan(task, settings))),
    }


def _described_key(task: Task, spec: TaskSpec, rule: object) -> str:
    _, used = made_of(spec)
    parameters = spec.parameters.signature.parameters
    values = [f"{name}={described(parameters[name].default)}" for name in used]
    option = described(rule) if callable(rule) else repr(rule)
    return " ".join((spec.namespace(task), option, *values))


def described(value: object) -> str:
    """Return a text of a rule that is the same in all processes with that rule."""
    if is_dataclass(value) and not isinstance(value, type):
        inside = [described(getattr(value, field.name)) for field in fields(value)]
        return f"{type(value).__qualname__}({', '.join(inside)})"
    if callable(value):
        own = value if hasattr(value, "__qualname__") else type(value)
        return f"{own.__module__}.{own.__qualname__}"
    try:
        return encoded(value).hex()
    except UniqueKeyError:
        return type(value).__qualname__


def _code(code: CodeType) -> str:
    """Return what a function does, without where it stands.

    What it gets from elsewhere, as a global, is not seen.
    """
    constants = " ".join(map(_constant, code.co_consts))
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # in another order in each process
        return repr(sorted(map(repr, value)))
    return repr(value)


def digest(text: str) -> str:
    """Return a short digest of a text; that of an empty one is empty."""
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest() if text else ""
