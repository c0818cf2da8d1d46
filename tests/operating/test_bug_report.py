"""``celery report`` names the version and the stores, and no password."""

import pytest

from tests.published_calls import task_of
from unique_task import MemoryBackend, RedisBackend, unique
from unique_task.operating.about import version

pytest_plugins = "tests.inprocess_fixtures"


def lines(app) -> list[str]:
    """The lines of the report about unique tasks."""
    _, _, ours = app.bugreport().partition("\nunique   -> ")
    return [line.strip() for line in ours.splitlines()]


def test_the_report_names_the_version_and_each_store(app):
    task_of(app)
    task_of(app, unique(backend="redis://elsewhere:1/3"), name="other")

    assert lines(app) == [
        f"unique_task:{version()} tasks:2",
        "locks:redis://elsewhere:1/3",
        "locks:memory://",
    ]


@pytest.mark.parametrize("made", [str, RedisBackend], ids=["url", "object"])
def test_no_password_is_in_the_report(app, made):
    task_of(app)
    app.conf.unique_backend = made("redis+cluster://shop:sesame@one:1")
    app.conf.broker_url = "redis://:sesame@one:1/0"

    assert "sesame" not in app.bugreport()
    assert lines(app)[1] == "locks:redis+cluster://shop:**@one:1"


def test_no_password_of_several_servers_is_in_the_name_of_their_store(app):
    """Among the settings, Celery 5.3 shows that of the second one."""
    task_of(app)
    one, two = "sentinel://:sesame@one:1/0", "sentinel://:sesame@two:2/0?master_name=m"
    app.conf.unique_backend = f"{one};{two}"

    assert "@two:2" in lines(app)[1]
    assert "sesame" not in lines(app)[1]


def test_without_a_store_the_report_says_what_is_wrong(app):
    task_of(app)
    app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")

    assert lines(app)[1].startswith("locks:no store for the locks")


def test_an_unknown_error_does_not_end_the_report(app):
    class Faulty(MemoryBackend):
        @property
        def fingerprint(self) -> str:
            raise ZeroDivisionError("sesame")

    task_of(app, unique(backend=Faulty()))

    assert lines(app)[1:] == ["locks:ZeroDivisionError"]


def test_without_unique_tasks_the_report_says_so(app):
    assert lines(app)[0].endswith("tasks:0")
