"""Creates the tables of locks and counters, and the permissions on locks.

The tables are those that a worker makes, and processes of two versions share them. This
text stays as it is: a version with another layout adds a migration, which changes the
tables that this one, or an older worker, has made.
"""

from __future__ import annotations

from django.db import migrations, models

from unique_task.django.tables import CreateTable


class Migration(migrations.Migration):
    initial = True

    operations = [
        CreateTable(
            "unique_task_locks_counters",
            [
                "name {name} NOT NULL",
                "flush SMALLINT NOT NULL",
                "minute BIGINT NOT NULL",
                "prefix {bytes}",
                "task {bytes}",
                "counter {bytes}",
                "amount {double} NOT NULL",
            ],
            index="unique_task_locks_counters_minute",
            indexed=["flush", "minute"],
        ),
        # Backwards, this one comes first, which may refuse.
        CreateTable(
            "unique_task_locks",
            [
                "name {name} NOT NULL",
                "token {bytes}",
                "content {bytes} NOT NULL",
                "fence BIGINT NOT NULL",
                "ends BIGINT NOT NULL",
            ],
            index="unique_task_locks_ends",
            indexed=["ends", "fence"],
            held="fence > 0 AND ends > %s",
        ),
        migrations.CreateModel(
            name="Lock",
            fields=[
                (
                    "key",
                    models.CharField(max_length=200, primary_key=True, serialize=False),
                ),
            ],
            options={
                "managed": False,
                "base_manager_name": "objects",
                "default_permissions": ("view",),
                "permissions": (
                    ("release_lock", "Can release locks"),
                    ("hold_lock", "Can hold keys"),
                ),
            },
        ),
    ]
