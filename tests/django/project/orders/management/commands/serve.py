"""Make the database with its users, then serve the project: one process for all."""

import signal
import sys
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

#: Users of the admin, by the permissions on locks that they have.
USERS: dict[str, tuple[str, ...]] = {
    "ann": ("view_lock", "release_lock", "hold_lock"),
    "bob": ("view_lock",),
    "eve": (),
}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("port", type=int)

    def handle(self, *_: Any, port: int, **__: Any) -> None:
        # So that it ends as a program does, and coverage is saved.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        call_command("migrate", verbosity=0)
        for name, permissions in USERS.items():
            user = User.objects.create_user(name, password=name, is_staff=True)
            found = Permission.objects.filter(codename__in=permissions)
            user.user_permissions.set(found)
        # It serves static files, too, as with DEBUG.
        options = {"use_reloader": False, "insecure_serving": True}
        call_command("runserver", f"127.0.0.1:{port}", **options)
