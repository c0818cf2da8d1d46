"""A call with every option that a wait has to keep."""

from datetime import datetime, timedelta, timezone
from typing import Any

from kombu.utils.uuid import uuid

from tests.worker.tasks import note


def every_option(key: str) -> dict[str, Any]:
    """Return the options of ``apply_async``; its callback notes ``link <key>``."""
    return {
        "kwargs": {"other": "argument"},
        "link": note.si(f"link {key}"),
        "headers": {"colour": "green"},
        "priority": 3,
        "queue": "other",
        "expires": datetime.now(timezone.utc) + timedelta(hours=1),
        "time_limit": 100,
        "soft_time_limit": 90,
        "shadow": "another name",
        "root_id": uuid(),
        # Of a task without a parent, Celery makes its last try or wait the parent.
        "parent_id": uuid(),
    }
