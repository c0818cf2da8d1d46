"""Prints what the checks find under several settings of the project, in one process.

Fails if a migration is missing.
"""

import json
import sys
from typing import Any

import django
from django.core.checks import run_checks
from django.core.management import call_command
from django.test.utils import override_settings


class NoMigrations:
    """What projects write that want no migrations in their tests."""

    def __contains__(self, label: str) -> bool:
        return True

    def __getitem__(self, label: str) -> None:
        return None


def ready(settings: dict[str, Any]) -> dict[str, Any]:
    if settings.get("MIGRATION_MODULES") == "none":
        return {**settings, "MIGRATION_MODULES": NoMigrations()}
    return settings


if __name__ == "__main__":
    django.setup()
    # It ends the process if a model has changed since.
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    for settings in json.loads(sys.argv[1]):
        with override_settings(**ready(settings)):
            found = run_checks(tags=["unique_task"])
        print(json.dumps([[one.id, one.msg, one.hint] for one in found]))
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
