"""What an app makes of its settings."""

from typing import Any

from celery import Celery

from unique_task import Backend, unique
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.settings import Settings


def store_of(app: Celery, option: object = None, *, eager: bool = False) -> Backend:
    return backend_of(app, settings_of(app), option, eager=eager)


def said(settings: Settings) -> dict[str, Any]:
    """What stands in a configuration."""
    values = {f"unique_{name}": value for name, value in vars(settings).items()}
    values.pop("unique_headers")  # that is a matter of the task protocol
    values.pop("unique_shadow")  # a value of unique_enabled
    values.pop("unique_celery_prefix")  # and that of Celery's own options
    return values


def use(app: Celery) -> None:
    """Call a guarded task, as the first use of the settings."""

    @app.task(shared=False)
    @unique
    def task() -> None: ...

    task()
