"""The lock that an operator names to hold: by a call of a task, or by a bare key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery

from ..backends.base import Backend
from ..exceptions import ConfigurationError
from ..options.app_settings import settings_of
from .app_tasks import Call, UnknownCallError, guarded_tasks, stores_of

#: What keys look like.
KEY = re.compile("[0-9a-f]{32}")

#: Places that one hold may take: each costs a round trip.
_MOST = 1000


@dataclass(frozen=True)
class Target:
    """The lock to hold.

    Attributes:
        backend: where it lives.
        key: its name there.
        task: name of the task; empty if nobody knows.
        limit: how many may hold it at once.
    """

    backend: Backend
    key: str
    task: str
    limit: int

    def check(self, seconds: float) -> None:
        """Raise ConfigurationError if it cannot be held for so many seconds."""
        name, promises = self.backend.name, self.backend.promises
        if seconds > promises.longest:
            raise ConfigurationError(
                f"seconds={seconds:.0f}: {name} keeps no lock for more than "
                f"{promises.longest:.0f} seconds"
            )
        if self.limit not in range(1, _MOST + 1):
            raise ConfigurationError(
                f"limit={self.limit}: a hold takes each place of a key, {_MOST} at most"
            )
        if self.limit > 1 and not promises.several_holders:
            raise ConfigurationError(
                f"limit={self.limit}: {name} keeps one holder for each key"
            )


def is_call(app: Celery, wanted: str, args: object, kwargs: object) -> bool:
    """Tell whether an operator names a call: a task, and maybe its arguments."""
    return args is not None or kwargs is not None or wanted in app.tasks


def target_of(
    app: Celery,
    wanted: str,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    limit: int | None,
    store: str | None,
) -> Target:
    """Return the lock whose holder keeps each call of a key from its body.

    Whatever the lock type, a run needs the lock that is named as the key, or its
    message did. Where there are two, such as in ``until_and_while_executing``, that is
    the lock of the run: messages are published, and wait.

    Raises:
        UnknownCallError, ConfigurationError: see :func:`.hold`.
    """
    settings = settings_of(app)
    if settings.shadow or not settings.enabled:
        raise ConfigurationError(
            f"unique_enabled is {app.conf.unique_enabled!r}: a hold would pause nothing"
        )
    if not is_call(app, wanted, args, kwargs) and KEY.fullmatch(wanted):
        backend = _store(app, store)
        return Target(backend, wanted, "", limit or _most_holders(app, backend))
    if limit is not None or store is not None:
        raise UnknownCallError("limit and store are for a key; a call has its own")
    call = Call.of(app, wanted, list(args or ()), dict(kwargs or {}))
    return Target(call.backend, call.key, call.task.name, call.limit)


def _store(app: Celery, name: str | None) -> Backend:
    stores = stores_of(app).values()
    named = [each for each in stores if name in (None, each.name)]
    if len(named) == 1:
        return named[0]
    known = ", ".join(sorted(each.name for each in stores))
    raise UnknownCallError(f"in which store is that key? The app has {known}")


def _most_holders(app: Celery, backend: Backend) -> int:
    """Return the greatest limit of the tasks in a store: nobody knows whose key it is.

    Who takes more places than there are has all of them.
    """
    settings, most = settings_of(app), 1
    for name, spec in guarded_tasks(app):
        task = app.tasks[name]
        if spec.backend(task, settings).fingerprint == backend.fingerprint:
            limit = spec.plan(task, settings).limit
            if not isinstance(limit, int):
                raise UnknownCallError(
                    f"how many may hold that key? The limit of {name} depends on its "
                    "arguments: give the limit, or the call"
                )
            most = max(most, limit)
    return most
