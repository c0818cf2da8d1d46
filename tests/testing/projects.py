"""Small projects with tests of their own, which run in a process of their own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.docs.test_readme import ROOT
from tests.programs import run

#: Not by its entry point, which only an installed copy has.
PLUGIN = ("-p", "no:unique_task", "-p", "unique_task.pytest_plugin")
CELERY = ("-p", "no:django", "-p", "celery.contrib.pytest")
DJANGO = ("--ds", "shop.settings")

DJANGO_PROJECT = {
    "shop/settings.py": """
SECRET_KEY = "of no use to anybody"
INSTALLED_APPS = ["django.contrib.contenttypes", "orders"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
CELERY_BROKER_URL = CELERY_UNIQUE_BACKEND = "redis://nowhere.invalid/0"
CELERY_BROKER_CONNECTION_TIMEOUT = 1
""",
    "shop/celery.py": """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
""",
    "shop/__init__.py": "from .celery import app",
    "orders/__init__.py": "",
    "orders/models.py": """
from django.db import models

class Order(models.Model):
    charged = models.BooleanField(default=False)
""",
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files by their names, which may be in folders."""
    for name, code in files.items():
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(code)


def run_pytest(folder: Path, *options: str) -> str:
    """Run the tests of a project, in which a warning is an error; return what is said.

    The plugin of this library is there.
    """
    # Else it would look for settings in the folders above.
    (folder / "pytest.ini").write_text("[pytest]\n")
    words = ("pytest", "-q", "--strict-markers", "-W", "error", *PLUGIN)
    return run_module(folder, *words, *options)


def run_module(folder: Path, *words: str) -> str:
    """Run a module of Python in a project; return what it says."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    done = run(sys.executable, "-m", *words, cwd=folder, env=env)
    return done.stdout + done.stderr
