"""What the keys of an app begin with: what is set, or what Celery says of its own."""

import pytest

from tests.inprocess import make_app as app_of
from tests.options.settings_apps import store_of
from unique_task import ConfigurationError, MemoryBackend, cached, unique
from unique_task.options.app_settings import settings_of

pytest_plugins = ("tests.options.settings_fixtures", "tests.inprocess_fixtures")

URL = "redis://one:6379/0"

FOLLOWED = {
    "result backend": {
        "result_backend": URL,
        "result_backend_transport_options": {"global_keyprefix": "shop:"},
    },
    "broker": {
        "broker_url": URL,
        "broker_transport_options": {"global_keyprefix": "shop:"},
    },
}


@pytest.mark.parametrize("conf", FOLLOWED.values(), ids=FOLLOWED)
def test_the_prefix_of_celery_is_that_of_the_locks_where_they_are_with_it(
    make_app, conf
):
    store = store_of(make_app(**conf))

    assert (
        store.fingerprint == store_of(make_app(), URL).with_prefix("shop:").fingerprint
    )
    assert store.fingerprint != store_of(make_app(), URL).fingerprint


@pytest.mark.parametrize("conf", FOLLOWED.values(), ids=FOLLOWED)
def test_the_prefix_of_celery_is_not_that_of_another_store(make_app, conf):
    app = make_app(unique_backend="redis://other:6379/0", **conf)

    assert store_of(app) is store_of(make_app(), "redis://other:6379/0")
    assert store_of(app, URL) is store_of(make_app(), URL)


@pytest.mark.parametrize("prefix", ["", "own:"])
def test_the_setting_comes_before_celery_and_is_for_every_store(make_app, prefix):
    app = make_app(unique_key_prefix=prefix, **FOLLOWED["broker"])
    own = MemoryBackend()

    for option, store in [(None, store_of(make_app(), URL)), (own, own)]:
        assert store_of(app, option) is store.with_prefix(prefix)


def test_a_prefix_that_no_store_could_use_is_an_error(make_app):
    with pytest.raises(ConfigurationError, match="unique_key_prefix='{}'"):
        settings_of(make_app(unique_key_prefix="{}"))
    bad = {"broker_url": URL, "broker_transport_options": {"global_keyprefix": 3}}
    with pytest.raises(ConfigurationError, match="global_keyprefix=3"):
        settings_of(make_app(**bad))
    settings_of(make_app(unique_key_prefix="", **bad))


def test_two_apps_with_a_store_in_common_share_no_lock_and_no_value():
    store, values = MemoryBackend(), []
    for prefix in ("one:", "two:"):
        app = app_of(unique_backend=store, unique_key_prefix=prefix)

        @app.task(name="work")
        @unique(key=(), on_duplicate=cached(), lock="until_executed")
        def work(prefix: str = prefix) -> str:
            return prefix

        values.append(work.apply().get())
        assert work.apply().get() == prefix
        app.close()

    assert values == ["one:", "two:"]
