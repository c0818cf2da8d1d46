"""Django's admin where there is little to see: each case is a state of one process."""

import json
import os

import pytest

from tests.programs import run_python

pytestmark = pytest.mark.any_celery

KEY = "ab" * 16

#: Prints what the pages say, each state behind its name.
CODE = """
import logging
import django
django.setup()
logger = logging.getLogger("of.the.project")
from celery import Celery, _state
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from tests.django.project import celery_app as app
from tests.django.site import OPS, text_of

call_command("migrate", verbosity=0)
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.create_superuser("ann"))

def say(state, *paths, ask=client.get, **fields):
    for path in paths:
        response = ask(OPS + path, fields, follow=True)
        response.text = response.content.decode()
        print(state, path, text_of(response), sep="|")

say("cannot list", "", "?q=task-1", "ab" * 16 + "/change/", "counters/")
print("a logger", "", "disabled" if logger.disabled else "as before", sep="|")
print("a dump of the database", end="||")
call_command("dumpdata", "unique_task", use_base_manager=True)
print()
app.conf.unique_backend = "django-db://default"
User.get_username = lambda user: 7
hold = {"wanted": "ab" * 16, "seconds": "60", "reason": "migration", "post": "yes"}
say("in a file", "hold/", ask=client.post, **hold)
app.conf.unique_backend = "nowhere://"
say("wrong setting", "", "call/")
app.conf.unique_backend = "memory://"
for name in [name for name in app.tasks if "project" in name]:
    app.tasks.unregister(name)
say("no unique task", "", "counters/", "ab" * 16 + "/change/")
broken = Celery("broken", imports=["of_workers_alone"], set_as_current=False)
broken.set_as_current = True
_state.set_default_app(broken)
say("broken tasks", "")
_state.set_default_app(None)
say("no app", "", "call/")
"""


#: A file of SQLite has one writer at a time; this logging disables other loggers.
SETTINGS = {"LOGGING": {"version": 1}}
FILE = {"ENGINE": "django.db.backends.sqlite3", "ATOMIC_REQUESTS": True}


@pytest.fixture(scope="module")
def said(memcached, tmp_path_factory):
    database = {**FILE, "NAME": str(tmp_path_factory.mktemp("apart") / "db.sqlite3")}
    more = {**SETTINGS, "DATABASES": {"default": database}}
    settings = {
        "UNIQUE_TEST_SETTINGS": json.dumps(more),
        "DJANGO_SETTINGS_MODULE": "tests.django.project.settings",
        "UNIQUE_TEST_STORE": memcached.url,
    }
    done = run_python(CODE, env={**os.environ, **settings})
    assert not done.returncode, done.stderr
    return [line.split("|", 2) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "state, path, text",
    [
        (
            "cannot list",
            "",
            "cannot list its locks: ask for one by its key or its call",
        ),
        ("cannot list", "", "None was seen."),
        ("cannot list", "?q=task-1", "None was seen."),
        ("cannot list", f"{KEY}/change/", "The lock is free."),
        ("cannot list", "counters/", "the store keeps no counters"),
        ("cannot list", "counters/", "send_mail until_executed - "),
        ("a logger", "", "as before"),
        ("in a file", "hold/", "Held for 60.0 s: migration"),
        ("wrong setting", "", "nowhere"),
        ("wrong setting", "call/", "nowhere"),
        ("no unique task", "", "the app has no unique tasks"),
        ("no unique task", "counters/", "the app has no unique tasks"),
        ("no unique task", f"{KEY}/change/", "the app has no unique tasks"),
        ("broken tasks", "", "the tasks cannot be imported: ModuleNotFoundError: "),
        ("no app", "", "the project has no Celery app: make one in proj/celery.py"),
        ("no app", "call/", "the project has no Celery app"),
        ("a dump of the database", "", "[]"),
    ],
)
def test_a_page_says_what_is_wrong(said, state, path, text):
    [found] = [line for line in said if line[:2] == [state, path]]

    assert text in found[2]
