"""A Django project as a user would write it, with one guarded task."""

from .celery import app as celery_app

__all__ = ["celery_app"]
