import math
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from unique_task import (
    Backend,
    ConfigurationError,
    MemoryBackend,
    RedisBackend,
    retry,
    unique,
)
from unique_task.settings import DEFAULTS, Settings, backend_of, settings_of

MakeApp = Callable[..., Celery]


def store_of(app: Celery, option: object = None, *, eager: bool = False) -> Backend:
    return backend_of(app, settings_of(app), option, eager=eager)


@pytest.fixture
def make_app(monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Call it for an app with these settings and no others."""
    for name in ("CELERY_RESULT_BACKEND", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)

    def make(**conf: Any) -> Celery:
        app = Celery(set_as_current=False)
        app.conf.update(conf)
        return app

    return make


def said(settings: Settings) -> dict[str, Any]:
    """What stands in a configuration."""
    values = {f"unique_{name}": value for name, value in vars(settings).items()}
    values.pop("unique_headers")  # that is a matter of the task protocol
    return values


def test_every_setting_has_a_default(make_app):
    settings = settings_of(make_app())

    assert said(settings) == {
        "unique_backend": None,
        "unique_enabled": True,
        "unique_expire": 3600,
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


def use(app: Celery) -> None:
    """Call a guarded task, as the first use of the settings."""

    @app.task(shared=False)
    @unique
    def task() -> None: ...

    task()


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
        ("unique_enabled", "yes", "True, False"),
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
    assert "memory, redis, redis+socket, rediss" in str(error.value)


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


# The store of locks


def test_the_task_says_where_its_locks_live_before_the_settings_do(make_app):
    app = make_app(unique_backend="redis://locks/0")
    own = MemoryBackend()

    assert store_of(app, own) is own
    assert store_of(app, "redis://own/0").name == "redis://own/0"


def test_a_setting_of_a_backend_object_is_taken_as_it_is(make_app):
    backend = MemoryBackend()

    assert store_of(make_app(unique_backend=backend)) is backend


BROKER, RESULTS = "redis://broker:6379/0", "redis://results:6379/1"


@pytest.mark.parametrize(
    "conf, name",
    [
        (
            {
                "unique_backend": "redis://locks:6379/2",
                "result_backend": RESULTS,
                "broker_url": BROKER,
            },
            "redis://locks:6379/2",
        ),
        ({"result_backend": RESULTS, "broker_url": BROKER}, RESULTS),
        ({"result_backend": "rpc://", "broker_url": BROKER}, BROKER),
        ({"broker_url": BROKER}, BROKER),
    ],
)
def test_locks_live_in_the_setting_else_with_the_results_else_in_the_broker(
    make_app, conf, name
):
    backend = store_of(make_app(**conf))

    assert isinstance(backend, RedisBackend)
    assert backend.name == name


@pytest.mark.parametrize("url", ["memory://", "cache+memory://"])
def test_locks_live_in_memory_where_the_results_do(make_app, url):
    assert isinstance(store_of(make_app(result_backend=url)), MemoryBackend)


def test_locks_live_in_the_memory_of_the_broker(make_app):
    assert isinstance(store_of(make_app(broker_url="memory://")), MemoryBackend)


def test_the_result_backend_may_come_from_the_environment(make_app, monkeypatch):
    monkeypatch.setenv("CELERY_RESULT_BACKEND", RESULTS)

    assert store_of(make_app(broker_url=BROKER)).name == RESULTS


def test_the_broker_may_come_from_the_environment(make_app, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", BROKER)

    assert store_of(make_app()).name == BROKER


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"broker_url": "amqp://localhost"},
        {"broker_url": "sqs://", "result_backend": "rpc://"},
        # Two servers to fail over between: a lock in one is none in the other.
        {"broker_url": ["redis://one/0", "redis://two/0"]},
        {"broker_url": "redis://one/0;redis://two/0"},
    ],
)
def test_where_no_lock_can_live_the_error_says_what_to_set(make_app, conf):
    with pytest.raises(ConfigurationError, match='Set unique_backend, as in "redis://'):
        use(make_app(**conf))


def test_an_eager_call_without_a_store_has_its_locks_in_memory(make_app):
    assert isinstance(store_of(make_app(), eager=True), MemoryBackend)


def test_an_app_that_is_always_eager_has_its_locks_in_memory(make_app):
    app = make_app(task_always_eager=True)

    assert isinstance(store_of(app), MemoryBackend)


def test_an_eager_call_with_a_store_uses_it(make_app):
    assert store_of(make_app(broker_url=BROKER), eager=True).name == BROKER


def test_all_tasks_with_one_url_share_its_backend(make_app):
    one, other = make_app(broker_url=BROKER), make_app(unique_backend=BROKER)

    assert store_of(one) is store_of(other)


@pytest.mark.parametrize("name", ["broker_url", "result_backend", "unique_backend"])
def test_locks_follow_a_change_of_where_they_live(make_app, name):
    app = make_app(broker_url=BROKER)
    assert store_of(app).name == BROKER

    for url in ("redis://first/0", "redis://second/0"):
        app.conf[name] = url

        assert store_of(app).name == url


def test_the_first_task_protocol_has_no_headers_for_a_lock(make_app):
    assert settings_of(make_app()).headers
    assert not settings_of(make_app(task_protocol=1)).headers
