"""Keeps the collector of garbage from looking at all tests again and again.

They are more than half a million objects, and live as long as the run. To look at them
takes a third of a second, for each ``gc.collect()`` of a fixture, too.
"""

import gc

import pytest

# What tests are made of is no garbage.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()
