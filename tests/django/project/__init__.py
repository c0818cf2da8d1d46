"""A Django project as a user would write it, with guarded tasks in two of its apps."""

from .celery import app as celery_app

__all__ = ["celery_app"]
