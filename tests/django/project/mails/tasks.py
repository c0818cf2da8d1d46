"""Tasks of this app."""

from celery import shared_task

from unique_task import unique


@shared_task
@unique(key="{order_id}", lock="until_executed", on_duplicate="retry")
def send_mail(order_id: int, text: str = "") -> str:
    """Do as if it sent a mail."""
    return f"{order_id}: {text}"
