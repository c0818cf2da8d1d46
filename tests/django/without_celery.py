"""The settings of a project that has no Celery app."""

SECRET_KEY = "of no use to anybody"
INSTALLED_APPS = ["unique_task.django"]
