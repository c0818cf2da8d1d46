"""Where the locks of an app live: what is set, and what is left for us to find."""

import pytest

from tests.options.settings_apps import store_of, use
from unique_task import (
    ConfigurationError,
    MemoryBackend,
    RedisBackend,
)

pytest_plugins = "tests.options.settings_fixtures"


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


SENTINELS = "sentinel://one:26379/1;sentinel://two:26379/1"


@pytest.mark.parametrize("place", ["result_backend", "broker"])
def test_the_master_of_sentinels_is_named_where_celery_looks_for_it(make_app, place):
    url = {"broker": "broker_url"}.get(place, place)
    app = make_app(**{url: SENTINELS})
    with pytest.raises(ConfigurationError, match="master_name"):
        store_of(app)

    app.conf[f"{place}_transport_options"] = {
        "master_name": "shop",
        "sentinel_kwargs": {"password": "sesame"},
    }

    named = f"{SENTINELS}?master_name=shop"
    assert store_of(app).name == SENTINELS
    assert store_of(app).fingerprint == RedisBackend(named).fingerprint


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


@pytest.mark.parametrize(
    "url, name",
    [
        ("db+postgresql://shop@db/shop", "postgresql+psycopg://shop@db/shop"),
        ("database+postgresql://shop@db/shop", "postgresql+psycopg://shop@db/shop"),
        ("db+mysql+pymysql://shop@db/shop", "mysql+pymysql://shop@db/shop"),
        ("db+sqlite:///results.sqlite", "sqlite+pysqlite:///results.sqlite"),
        ("cache+memcached://one:1;two:2/", "memcached://one:1;two:2"),
    ],
)
def test_locks_live_with_the_results_in_what_celery_calls_otherwise(
    make_app, url, name
):
    app = make_app(result_backend=url, broker_url="amqp://localhost")

    assert store_of(app).name == name


@pytest.mark.parametrize("prefix", ["sqla", "sqlalchemy"])
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2"])
def test_locks_live_in_a_database_that_is_the_broker(make_app, prefix, scheme):
    app = make_app(broker_url=f"{prefix}+{scheme}://shop@db/shop")

    assert store_of(app).name == "postgresql+psycopg://shop@db/shop"


def test_locks_live_in_the_broker_where_the_results_are_no_place_for_them(make_app):
    app = make_app(result_backend="rpc://", broker_url="redis://localhost")

    assert store_of(app).name == "redis://localhost"


@pytest.mark.parametrize("results", ["cache+memory://", "db+sqlite:///results"])
def test_locks_live_in_the_broker_where_the_results_are_of_one_host(make_app, results):
    app = make_app(result_backend=results, broker_url="redis://localhost")

    assert store_of(app).name == "redis://localhost"
