"""Tasks of this app."""

from typing import Any

from celery import shared_task

from unique_task import unique

WRONG: Any = "until_done"


@shared_task
@unique(lock=WRONG)
def send_mail() -> None:
    """Never run."""
