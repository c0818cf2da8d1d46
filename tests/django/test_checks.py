"""What ``manage.py check`` finds of unique tasks."""

import json
import os
import re
import sys
from typing import Any

import pytest

from tests.django_settings import POSTGRESQL
from tests.docs.test_readme import ROOT
from tests.programs import run
from unique_task.django.checks import NUMBERS
from unique_task.operating.doctor import examine_options

pytestmark = pytest.mark.any_celery

NOBODY = {"ENGINE": POSTGRESQL, "NAME": "shop", "HOST": "localhost", "PORT": "1"}

#: Name of a case -> settings beside those of the project.
CASES: dict[str, dict[str, Any]] = {
    "good": {},
    "mistyped": {"CELERY_UNIQUE_BAKEND": "memory://"},
    "wrong": {"CELERY_UNIQUE_EXPIRE": -1},
    "misfit": {"CELERY_UNIQUE_ON_DUPLICATE": "replace"},
    "no prefix": {"UNIQUE_EXPIRE": 60, "UNIQUE_SOMETHING": "of the project"},
    "off": {"CELERY_UNIQUE_ENABLED": False},
    "no store": {"CELERY_UNIQUE_BACKEND": None},
    "no such database": {"CELERY_UNIQUE_BACKEND": "django-db://orders"},
    "long": {"CELERY_UNIQUE_RENEW": False, "CELERY_TASK_TIME_LIMIT": 7200},
    "router": {
        "CELERY_UNIQUE_BACKEND": "django-db://nobody",
        "DATABASE_ROUTERS": ["tests.django.sql.routers.Elsewhere"],
    },
    "no migration": {
        "CELERY_UNIQUE_BACKEND": "django-db://nobody",
        "MIGRATION_MODULES": {"unique_task": None},
    },
    "no migration at all": {
        "CELERY_UNIQUE_BACKEND": "django-db://nobody",
        "MIGRATION_MODULES": "none",
    },
    "migration": {"CELERY_UNIQUE_BACKEND": "django-db://nobody"},
}


def in_project(*command: object, **environment: str) -> Any:
    how = {"DJANGO_SETTINGS_MODULE": "tests.django.project.settings", **environment}
    return run(sys.executable, *command, cwd=ROOT, env={**os.environ, **how})


@pytest.fixture(scope="module")
def printed() -> list[Any]:
    """What the process prints that checks the project under each case's settings."""
    databases = {"default": {}, "nobody": NOBODY}
    given = {"UNIQUE_TEST_SETTINGS": json.dumps({"DATABASES": databases})}
    cases = json.dumps(list(CASES.values()))
    done = in_project("-m", "tests.django.checked", cases, **given)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def found(printed: list[Any]) -> dict[str, Any]:
    """For each case: ids, texts and hints."""
    return dict(zip(CASES, printed))


def test_a_good_project_has_no_message(found):
    assert found["good"] == []


#: Name of a case -> the id of its only message, and what its text has.
MESSAGES = {
    "mistyped": ("unique_task.E003", "unique_bakend is no setting of unique_task"),
    "wrong": ("unique_task.E003", "unique_expire=-1"),
    "misfit": ("unique_task.E003", "replace"),
    "no prefix": ("unique_task.W004", "the setting UNIQUE_EXPIRE is not read"),
    "off": ("unique_task.W003", "unique_enabled is False"),
    "no such database": ("unique_task.E003", "DATABASES has no 'orders'"),
    "long": ("unique_task.W008", "tests.django.project.orders.tasks.import_orders"),
    "router": ("unique_task.W005", "makes no tables for django-db://nobody"),
    "no migration": ("unique_task.W005", "makes no tables for django-db://nobody"),
    "no migration at all": (
        "unique_task.W005",
        "makes no tables for django-db://nobody",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_a_message_has_the_id_of_its_check_and_says_what_to_do(found, case):
    [(number, text, hint)] = found[case]

    assert number == MESSAGES[case][0]
    assert MESSAGES[case][1] in text
    assert hint


def test_a_setting_without_prefix_is_told_its_name(found):
    [(_, _, hint)] = found["no prefix"]

    assert hint == "call it CELERY_UNIQUE_EXPIRE"


def test_of_a_database_with_the_migration_nothing_is_asked(found):
    # Nothing answers there.
    assert found["migration"] == []


def test_no_driver_is_imported_but_that_of_the_store(printed):
    assert "sqlalchemy" in printed[-1]
    assert not {"redis", "pymemcache", "pymysql"} & set(printed[-1])


def test_a_project_without_a_celery_app_is_told_how_to_have_one():
    done = in_project(
        *("-m", "django", "check", "--tag", "unique_task"),
        DJANGO_SETTINGS_MODULE="tests.django.without_celery",
    )

    assert done.returncode == 0
    assert "?: (unique_task.W001) the project has no Celery app" in done.stderr
    assert "HINT: make one in proj/celery.py, and import it" in done.stderr
    assert "1 issue" in done.stderr


def test_tasks_that_cannot_be_imported_are_an_error_beside_the_others():
    more = json.dumps(["tests.django.broken"])
    done = in_project("-m", "django", "check", UNIQUE_TEST_APPS=more)

    assert done.returncode == 1
    assert "(unique_task.E002) the Celery app cannot be checked: Conf" in done.stderr
    assert "until_done" in done.stderr


def test_the_page_has_each_id():
    page = (ROOT / "docs" / "django.rst").read_text()
    on_page = re.findall(r"^``(\d{3})`` +``(\w+)``", page, re.MULTILINE)

    assert dict((name, int(number)) for number, name in on_page) == NUMBERS


def test_each_check_of_the_doctor_has_an_id():
    named = set(re.findall(r'(?:_found|_by_no_clock|Finding)\(\s*"(\w+)"', _source()))

    assert named <= set(NUMBERS)
    assert len(set(NUMBERS.values())) == len(NUMBERS)


def _source() -> str:
    """The modules with what :func:`examine_options` finds."""
    names = ["doctor", "checks_tasks", "checks_queues"]
    folder = ROOT / "unique_task" / "operating"
    assert examine_options.__module__.endswith(names[0])
    return "".join((folder / f"{name}.py").read_text() for name in names)
