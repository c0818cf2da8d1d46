"""What ``celery report`` says of unique tasks: the version, and where the locks are."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery

from ..exceptions import UniqueError
from .about import version
from .app_tasks import guarded_tasks, stores


def bug_report(app: Celery) -> str:
    """Return the lines about an app; names of stores are without passwords."""
    count = len(list(guarded_tasks(app)))
    first = f"unique   -> unique_task:{version()} tasks:{count}"
    return "\n".join([first, *(f"{'':<12}locks:{place}" for place in _places(app))])


def _places(app: Celery) -> Sequence[str]:
    try:
        return stores(app)
    except UniqueError as error:
        return [str(error)]
    except Exception as error:
        # A report is made where something is broken. A text of others may have a
        # password in it.
        return [type(error).__name__]
