"""What stands for a lock in Django: its permissions, and its place in the admin."""

from __future__ import annotations

from django.db import models


class NoRows(models.Manager):
    """Finds nothing, so that ``dumpdata`` does not read a table that is not there."""

    def get_queryset(self) -> models.QuerySet:
        """Return no rows."""
        return super().get_queryset().none()


class Lock(models.Model):
    """A lock, which lives in a store: none is ever read from this model.

    Its permissions are ``unique_task.view_lock``, ``unique_task.release_lock`` and
    ``unique_task.hold_lock``.
    """

    key = models.CharField(primary_key=True, max_length=200)

    objects = NoRows()

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = (
            ("release_lock", "Can release locks"),
            ("hold_lock", "Can hold keys"),
        )

    def __str__(self) -> str:
        return str(self.key)
