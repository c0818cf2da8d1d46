"""Any order of events, on all stores at once, against a plain model of a store.

The contract's other tests cover single cases. Here clients take, renew, release, lose
answers and die in any order, and after every step all stores have to be where the model
is.
"""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.backends.clients import Clients
from tests.backends.messages import Messages
from tests.backends.real import Store
from tests.backends.search import CLIENTS, search
from tests.backends.sharers import Sharers


# Seconds; but when it fails, it takes minutes to find the shortest way there.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", [Clients, Messages, Sharers])
def test_all_stores_do_what_the_model_does(urls, machine):
    class ClientsOfAll(machine):  # type: ignore[misc, valid-type]
        stores = [Store(url, CLIENTS) for url in urls.values()]

    run_state_machine_as_test(ClientsOfAll, settings=search)
