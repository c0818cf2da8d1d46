"""What ``app.conf`` says now is what counts, wherever that stands."""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery import Celery, current_app
from django.conf import settings as django_settings
from django.test.utils import override_settings

from tests.django_settings import configure_django
from tests.published_calls import task_of
from unique_task import ConfigurationError, unique
from unique_task.options import app_settings
from unique_task.options.app_settings import settings_of

pytest_plugins = ["tests.options.settings_fixtures", "tests.inprocess_fixtures"]


def plain(**values: Any) -> Any:
    return SimpleNamespace(**values)


def module(**values: Any) -> Any:
    found = ModuleType("settings")
    vars(found).update(values)
    return found


def class_(**values: Any) -> Any:
    return type("Config", (type("Base", (), values),), {})


def instance_of_class(**values: Any) -> Any:
    return class_(**values)()


def computed(**values: Any) -> Any:
    """Settings of which nothing is known before they are asked for."""

    class Computed:
        def __getattr__(self, name: str) -> Any:
            try:
                return values[name]
            except KeyError:
                raise AttributeError(name) from None

        def __setattr__(self, name: str, value: Any) -> None:
            values[name] = value

        def __delattr__(self, name: str) -> None:
            del values[name]

    return Computed()


class Dict(dict):
    """Settings in a dict, set and deleted like the others here."""

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__


SOURCES = [plain, module, class_, instance_of_class, computed, Dict]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("namespace", [None, "CELERY"])
def test_a_change_of_the_source_counts_and_so_does_its_end(source, namespace, make_app):
    name = "CELERY_UNIQUE_EXPIRE" if namespace else "unique_expire"
    other = "CELERY_UNIQUE_ENABLED" if namespace else "unique_enabled"
    config, app = source(**{name: 60}), make_app()
    app.config_from_object(config, namespace=namespace)
    assert settings_of(app).expire == 60

    setattr(config, name, 30)
    assert settings_of(app).expire == 30
    setattr(config, other, False)
    assert settings_of(app).enabled is False
    delattr(config, other)
    assert (settings_of(app).expire, settings_of(app).enabled) == (30, True)
    setattr(config, "x", 1)
    assert settings_of(app).expire == 30
    delattr(config, "x")
    setattr(config, other, False)
    assert settings_of(app).enabled is False


def test_a_property_counts(make_app):
    class Config:
        seconds = 60

        @property
        def unique_expire(self) -> int:
            return self.seconds

    config, app = Config(), make_app()
    app.config_from_object(config)
    assert settings_of(app).expire == 60

    config.seconds = 30

    assert settings_of(app).expire == 30


def test_a_change_of_the_configuration_counts_until_it_is_taken_back(make_app):
    app = make_app(unique_expire=60)
    assert settings_of(app).expire == 60

    app.conf.update(unique_expire=30, unique_enabled=False)
    assert (settings_of(app).expire, settings_of(app).enabled) == (30, False)
    del app.conf.changes["unique_enabled"]
    app.conf.changes["unique_expire"] = 60

    assert (settings_of(app).expire, settings_of(app).enabled) == (60, True)


def test_a_setting_of_none_is_not_one_that_is_missing(make_app):
    app = make_app()
    assert settings_of(app).expire == 3600

    app.conf.unique_expire = None

    with pytest.raises(ConfigurationError, match="unique_expire=None"):
        settings_of(app)


def test_a_change_inside_of_a_setting_counts(make_app):
    options = {"visibility_timeout": 60}
    app = make_app(broker_transport_options=options)
    assert settings_of(app).redelivery == 120

    options["visibility_timeout"] = 30

    assert settings_of(app).redelivery == 60


@pytest.mark.parametrize("name", ["CELERY_RESULT_BACKEND", "CELERY_BROKER_URL"])
def test_a_change_of_the_environment_counts(make_app, monkeypatch, name):
    app = make_app()
    assert settings_of(app).backend is None

    monkeypatch.setenv(name, "redis://elsewhere/0")
    assert settings_of(app).backend == "redis://elsewhere/0"
    monkeypatch.delenv(name)

    assert settings_of(app).backend is None


# Django's


@pytest.fixture
def django_app(make_app) -> Celery:
    configure_django()
    app: Celery = make_app()
    app.config_from_object("django.conf:settings", namespace="CELERY")
    assert settings_of(app).expire == 3600
    return app


def test_overridden_settings_of_django_count_as_long_as_they_stand(django_app):
    for _ in range(2):
        with override_settings(CELERY_UNIQUE_EXPIRE=60):
            assert settings_of(django_app).expire == 60
            with override_settings(CELERY_UNIQUE_ENABLED=False):
                assert settings_of(django_app).expire == 60
                assert settings_of(django_app).enabled is False
            assert settings_of(django_app).enabled is True
        assert settings_of(django_app).expire == 3600


def test_a_setting_that_is_assigned_in_django_counts(django_app):
    try:
        django_settings.CELERY_UNIQUE_BACKEND = "redis://mine/0"
        assert settings_of(django_app).backend == "redis://mine/0"
        django_settings.CELERY_UNIQUE_BACKEND = "redis://other/0"
        assert settings_of(django_app).backend == "redis://other/0"
    finally:
        del django_settings.CELERY_UNIQUE_BACKEND
    assert settings_of(django_app).backend is None


# What is made of them


def test_a_guard_follows_its_settings(app, sent):
    task = task_of(app, unique)
    task.delay(1)
    assert sent.last.lock is None

    app.conf.unique_lock = "until_executed"
    assert not task.delay(2).duplicate
    assert task.delay(2).duplicate
    app.conf.unique_enabled = False
    assert not task.delay(2).duplicate
    app.conf.unique_enabled = True
    assert task.delay(2).duplicate


def test_unchanged_settings_are_read_once(make_app, monkeypatch):
    app = make_app(unique_expire=60)
    app.config_from_object({"broker_url": "redis://localhost"})
    settings_of(app)

    monkeypatch.setattr(app_settings, "read", None)

    assert settings_of(app).expire == 60


def test_the_current_app_has_the_settings_of_what_it_stands_for(app):
    assert settings_of(current_app) is settings_of(app)
