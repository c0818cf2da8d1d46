"""What a store does that cannot keep a lock with several holders."""

import pytest

from tests.backends.stores import FIRST, LEASE, open_store
from unique_task import ConfigurationError


def test_a_store_of_one_holder_refuses_a_limit(memcached_url):
    backend = open_store(memcached_url)
    assert not backend.promises.several_holders

    for ask in (backend.acquire, backend.reserve):
        with pytest.raises(ConfigurationError, match="limit must be 1"):
            ask("key", FIRST, LEASE, limit=2)
    assert backend.get("key") is None
