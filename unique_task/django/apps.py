"""What Django loads for ``unique_task.django`` in ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig


class UniqueTaskConfig(AppConfig):
    """The app: its label is ``unique_task``, as its name would end in ``django``."""

    name = "unique_task.django"
    label = "unique_task"
    verbose_name = "Unique tasks"
