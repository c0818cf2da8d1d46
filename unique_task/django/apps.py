"""What Django loads for ``unique_task.django`` in ``INSTALLED_APPS``."""

from __future__ import annotations

import sys
from typing import Any

from django.apps import AppConfig
from django.core import checks

from ..options.in_tests import in_tests


class UniqueTaskConfig(AppConfig):
    """The app: its label is ``unique_task``, as its name would end in ``django``."""

    name = "unique_task.django"
    label = "unique_task"
    verbose_name = "Unique tasks"

    def ready(self) -> None:
        checks.register(_check, "unique_task")
        # `manage.py test` tells no app that it begins. Under pytest, our plugin warns.
        if sys.argv[1:2] == ["test"]:
            in_tests.warns = True


def _check(app_configs: Any, **how: Any) -> list[checks.CheckMessage]:
    # Not every command checks, and most have no use for Celery.
    from .checks import check_unique_tasks

    return check_unique_tasks(app_configs, **how)
