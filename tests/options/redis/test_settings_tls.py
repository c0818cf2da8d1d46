"""Locks live behind TLS where Celery is told that the app's Redis does."""

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from celery import Celery

from tests.backends.stores import record_of
from tests.options.settings_apps import store_of
from tests.servers import RedisServer, sentinels
from tests.servers.certificate import Certificate
from tests.servers.process import HOST
from tests.servers.sentinel_server import MASTER_NAME
from unique_task.backends.steps import Acquired, StoreAnswer

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.options.settings_fixtures"

#: Where an app keeps its URL, and beside it the options of that.
PLACES = {
    "result_backend": ("redis_backend_use_ssl", "result_backend_transport_options"),
    "broker_url": ("broker_use_ssl", "broker_transport_options"),
}


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_tls_is_used_as_celery_is_told_to(make_app, tmp_path, scheme):
    with RedisServer(tmp_path, Certificate(tmp_path)) as server:
        [authority] = parse_qs(urlsplit(server.url).query)["ssl_ca_certs"]
        options = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": authority}
        url = f"{scheme}://{HOST}:{server.port}/0"
        for place, (tls, _) in PLACES.items():
            app = make_app(**{place: url, tls: options})

            assert isinstance(taken_in(app, place), Acquired)


def taken_in(app: Celery, key: str) -> StoreAnswer:
    return store_of(app).acquire(key, record_of(key), expire=10)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A master on TLS, what trusts it, and its Sentinel with and without TLS."""
    directory = tmp_path_factory.mktemp("tls")
    certificate = Certificate(directory)
    trust = {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_ca_certs": str(certificate.authority),
    }
    with sentinels(directory, certificate=certificate) as servers:
        [sentinel] = servers.sentinels
        yield {"trust": trust, "plain": sentinel.port, "encrypted": sentinel.tls_port}


@pytest.mark.parametrize("place", PLACES)
def test_behind_sentinels_tls_is_for_the_master(make_app, tls, place):
    names = PLACES[place]
    beside = dict(zip(names, (tls["trust"], {"master_name": MASTER_NAME})))
    app = make_app(**{place: f"sentinel://{HOST}:{tls['plain']}/0"}, **beside)

    assert isinstance(taken_in(app, place), Acquired)


def test_tls_is_used_also_where_the_first_sentinel_has_the_options(make_app, tls):
    url = f"sentinel://{HOST}:{tls['plain']}/0"
    several = f"{url}?master_name={MASTER_NAME};{url.replace(HOST, 'localhost')}"
    app = make_app(result_backend=several, redis_backend_use_ssl=tls["trust"])

    assert isinstance(taken_in(app, "several"), Acquired)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("verified", [True, False])
def test_sentinels_have_tls_of_their_own(make_app, tls, place, verified):
    lax = {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    own = {"ssl": True, **(tls["trust"] if verified else lax)}
    told = {"master_name": MASTER_NAME, "sentinel_kwargs": own}
    beside = dict(zip(PLACES[place], (tls["trust"], told)))
    app = make_app(**{place: f"sentinel://{HOST}:{tls['encrypted']}/0"}, **beside)

    assert isinstance(taken_in(app, f"{place} {verified}"), Acquired)
