"""The page on the web page: its sites serve it below their own paths."""

import os
import re
from typing import Any

import pytest

from tests.docs.test_readme import ROOT, python_blocks
from tests.programs import run_python

pytestmark = pytest.mark.any_celery

PAGE = ROOT / "docs" / "web.rst"

FLASK = """
from werkzeug.test import Client
from site_flask import site

client = Client(site)
assert client.get("/locks/").status_code == 401
page = client.get("/locks/locks", auth=("ann", "secret"))
print(page.status_code, 'href="/locks/hold"' in page.text)
"""

DJANGO = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF=(), ALLOWED_HOSTS=["*"], USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}},
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from django.test import Client as OfDjango
from werkzeug.test import Client
from wsgi import application

for name, is_staff in (("ann", True), ("bob", False)):
    browser = OfDjango()
    browser.force_login(User.objects.create(username=name, is_staff=is_staff))
    client = Client(application)
    assert client.get("/locks/").status_code == 403
    client.set_cookie("sessionid", browser.cookies["sessionid"].value)
    page = client.get("/locks/")
    print(page.status_code, f"You are {name}" in page.text)
"""

STARLETTE = """
from starlette.testclient import TestClient
from site_starlette import site

with TestClient(site) as client:
    page = client.get("/locks/locks")
    print(page.status_code, 'href="/locks/static/style.css"' in page.text)
    print(client.get("/locks/static/style.css").status_code)
"""

PROXY = """
from werkzeug.test import Client
from site_proxy import site

told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "locks.example.com",
        "X-Forwarded-Prefix": "/ops"}
client = Client(site)
page = client.get("/locks", headers=told, auth=("ann", "..."))
print(page.status_code, 'href="/ops/locks"' in page.text)
print(client.get("/locks", auth=("ann", "...")).status_code)
"""

SHOWN = {
    "site_flask": (FLASK, "200 True\n"),
    "wsgi": (DJANGO, "200 True\n403 False\n"),
    "site_starlette": (STARLETTE, "200 True\n200\n"),
    "site_proxy": (PROXY, "200 True\n400\n"),
}


@pytest.fixture
def modules(tmp_path: Any, redis_url: str) -> set[str]:
    """The blocks of the page, in files of the names that stand in them."""
    names = set()
    for block in python_blocks(PAGE, redis_url):
        found = re.match(r"# (\w+)\.py\n", block)
        assert found, block
        (tmp_path / f"{found[1]}.py").write_text(block)
        names.add(found[1])
    return names


def test_each_site_of_the_page_serves_it(modules, tmp_path):
    assert modules == {"shop", *SHOWN}
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    env |= {"LOCKS_PASSWORD": "secret", "LOCKS_SECRET": "signs"}

    codes, printed = zip(*SHOWN.values())
    done = run_python("".join(codes), check=True, env=env, cwd=tmp_path)
    assert done.stdout == "".join(printed)
