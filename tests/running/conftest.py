"""Fixtures for messages that a broker delivers again."""

import pytest
from celery.signals import before_task_publish

from unique_task.messages.stamp import MESSAGE_HEADER, stamp_messages_of


@pytest.fixture
def delivered_again():
    """Publish a second delivery: a message with an id that was used before."""

    def mark_alike(headers, **_):
        headers[MESSAGE_HEADER] = "00000000-0"

    stamp_messages_of("")  # first: the receivers are called in this order
    before_task_publish.connect(mark_alike)
    yield
    before_task_publish.disconnect(mark_alike)
