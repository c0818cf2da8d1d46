import math
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from tests.options.settings_apps import said, use
from unique_task import (
    ConfigurationError,
    retry,
)
from unique_task.options.app_settings import settings_of
from unique_task.options.settings import DEFAULTS

pytest_plugins = "tests.options.settings_fixtures"


def test_every_setting_has_a_default(make_app):
    settings = settings_of(make_app())

    assert said(settings) == {
        "unique_backend": None,
        "unique_enabled": True,
        "unique_expire": 3600,
        "unique_key_prefix": None,
        "unique_lease": 15,
        "unique_lock": "while_executing",
        "unique_on_duplicate": "ignore",
        "unique_on_unavailable": "retry",
        "unique_redelivery": 7200,
        "unique_renew": True,
        "unique_timeout": 2,
    }


EXAMPLES: dict[str, Any] = {
    "unique_backend": "memory://",
    "unique_enabled": False,
    "unique_expire": 60.0,
    "unique_key_prefix": "shop:",
    "unique_lease": 5.0,
    "unique_lock": "while_executing",
    "unique_on_duplicate": retry(countdown=5),
    "unique_on_unavailable": "raise",
    "unique_redelivery": 90.0,
    "unique_renew": False,
    "unique_timeout": 0.5,
}


def read(app: Celery) -> dict[str, Any]:
    return said(settings_of(app))


def test_every_setting_has_an_example_here():
    assert EXAMPLES.keys() == DEFAULTS.keys()


def test_settings_are_read_from_the_configuration(make_app):
    assert read(make_app(**EXAMPLES)) == EXAMPLES


def test_settings_are_read_from_a_config_object(make_app):
    app = make_app()
    app.config_from_object(SimpleNamespace(**EXAMPLES))

    assert read(app) == EXAMPLES


def test_settings_are_read_under_a_namespace(make_app):
    app = make_app()
    prefixed = {f"CELERY_{name.upper()}": value for name, value in EXAMPLES.items()}
    app.config_from_object(SimpleNamespace(**prefixed), namespace="CELERY")

    assert read(app) == EXAMPLES


def test_messages_may_come_again_for_twice_the_brokers_visibility_timeout(make_app):
    app = make_app(broker_transport_options={"visibility_timeout": 60})

    assert settings_of(app).redelivery == 120


def test_a_visibility_timeout_may_be_a_text(make_app):
    app = make_app(broker_transport_options={"visibility_timeout": "60"})

    assert settings_of(app).redelivery == 120


def test_a_visibility_timeout_that_is_no_number_is_an_error_of_its_own(make_app):
    app = make_app(broker_transport_options={"visibility_timeout": "an hour"})

    with pytest.raises(ConfigurationError, match="visibility_timeout='an hour'"):
        settings_of(app)


def test_a_duration_may_be_a_timedelta(make_app):
    assert settings_of(make_app(unique_expire=timedelta(minutes=1))).expire == 60


def test_a_change_of_the_configuration_is_seen(make_app):
    app = make_app(unique_expire=60)
    assert settings_of(app).expire == 60

    app.conf.unique_expire = 30
    assert settings_of(app).expire == 30

    app.conf.update(unique_expire=20)
    assert settings_of(app).expire == 20

    app.conf["unique_expire"] = 10
    assert settings_of(app).expire == 10


def test_a_change_under_a_namespace_is_seen(make_app):
    app = make_app()
    app.config_from_object({"CELERY_UNIQUE_EXPIRE": 60}, namespace="CELERY")
    assert settings_of(app).expire == 60

    app.conf["CELERY_UNIQUE_EXPIRE"] = 30

    assert settings_of(app).expire == 30


def test_a_new_config_object_is_seen(make_app):
    app = make_app()

    for expire in range(1, 50):  # in one of the rounds the memory of an old one is used
        app.config_from_object({"unique_expire": expire}, force=True)

        assert settings_of(app).expire == expire


def test_a_default_that_is_added_later_is_seen(make_app):
    app = make_app()
    assert settings_of(app).expire == 3600

    app.add_defaults({"unique_expire": 60})

    assert settings_of(app).expire == 60


def test_a_wrong_change_is_an_error_and_its_correction_is_seen(make_app):
    app = make_app()
    app.conf.unique_expire = 0

    for _ in range(2):
        with pytest.raises(ConfigurationError):
            settings_of(app)

    app.conf.unique_expire = 60
    assert settings_of(app).expire == 60


def test_apps_do_not_share_their_settings(make_app):
    one, other = make_app(unique_expire=10), make_app(unique_expire=20)

    assert (settings_of(one).expire, settings_of(other).expire) == (10, 20)


# Wrong settings


DURATION = "a number of seconds or a timedelta, "


@pytest.mark.parametrize(
    "name, value, allowed",
    [
        *(
            ("unique_expire", value, DURATION)
            for value in (0, -1, "60", math.inf, math.nan, True, timedelta(-1), None)
        ),
        ("unique_lease", 0, DURATION),
        ("unique_timeout", "2", DURATION),
        ("unique_enabled", "yes", "True, False, 'shadow'"),
        ("unique_renew", "no", "True, False"),
        ("unique_renew", None, "True, False"),
        ("unique_on_unavailable", "x", "'retry', 'run', 'raise'"),
        ("unique_lock", "forever", "'while_executing'"),
        ("unique_lock", None, "'while_executing'"),
        ("unique_on_duplicate", "x", "'ignore', 'skip', 'cached', 'retry', 'raise'"),
        ("unique_on_duplicate", 3, "'ignore', 'skip', 'cached', 'retry', 'raise'"),
        ("unique_backend", 3, "a URL or a Backend object"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_what_is_allowed(
    make_app, name, value, allowed
):
    app = make_app(**{"unique_backend": "memory://", name: value})

    with pytest.raises(ConfigurationError) as error:
        use(app)

    assert f"{name}={value!r}" in str(error.value)
    assert allowed in str(error.value)


def test_an_unknown_store_is_an_error_that_lists_those_there_are(make_app):
    app = make_app(unique_backend="foo://user:s3cret@host/0")

    with pytest.raises(ConfigurationError) as error:
        use(app)

    assert "unique_backend" in str(error.value)
    assert "foo://user:**@host/0" in str(error.value)
    assert "memcached, memory, mysql, postgresql, redis, redis+cluster" in str(
        error.value
    )


def test_a_misspelt_setting_is_an_error_that_lists_those_there_are(make_app):
    with pytest.raises(ConfigurationError) as error:
        use(make_app(unique_expires=60))

    assert str(error.value) == (
        f"unique_expires is no setting of unique_task; known are {', '.join(DEFAULTS)}"
    )


@pytest.mark.parametrize("name", ["CELERY_UNIQUE_EXPIRES", "unique_expires"])
def test_a_misspelt_setting_under_a_namespace_is_an_error(make_app, name):
    app = make_app()
    app.config_from_object({name: 60}, namespace="CELERY")

    with pytest.raises(ConfigurationError, match="unique_expires is no setting"):
        settings_of(app)


def test_a_setting_in_capitals_which_celery_does_not_read_is_an_error(make_app):
    app = make_app()
    app.config_from_object({"UNIQUE_EXPIRE": 60})

    with pytest.raises(ConfigurationError, match="UNIQUE_EXPIRE .*unique_expire"):
        use(app)


def test_beside_a_namespace_the_settings_of_others_are_none_of_ours(make_app):
    app = make_app()
    settings = {"CELERY_UNIQUE_EXPIRE": 60, "UNIQUE_SLUG_LENGTH": 8}
    app.config_from_object(settings, namespace="CELERY")

    assert settings_of(app).expire == 60


@pytest.mark.parametrize(
    ("value", "enabled", "shadow"),
    [(True, True, False), (False, False, False), ("shadow", True, True)],
)
def test_guards_are_on_off_or_in_shadow_mode(make_app, value, enabled, shadow):
    settings = settings_of(make_app(unique_enabled=value))

    assert (settings.enabled, settings.shadow) == (enabled, shadow)


def test_the_first_task_protocol_has_no_headers_for_a_lock(make_app):
    assert settings_of(make_app()).headers
    assert not settings_of(make_app(task_protocol=1)).headers
