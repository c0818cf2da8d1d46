"""What an attempt that comes back remembers of its waits."""

from dataclasses import asdict
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.signals import after_task_publish

from unique_task.messages.requeue import requeue
from unique_task.messages.stamp import MESSAGE_HEADER as MESSAGE
from unique_task.messages.stamp import WAIT_HEADER as HEADER
from unique_task.messages.stamp import message_id_of, new_message_id
from unique_task.messages.states import DeliveryOver
from unique_task.messages.waited import Waited


def request(**changes: object) -> Context:
    """A message of one task, as a worker gets it."""
    message = {"id": "task-1", "retries": 0, "headers": None, **changes}
    return Context({"delivery_info": {"redelivered": False}, **message})


def again(earlier: Context, **changes: Any) -> Context:
    """The message that `earlier` sends when it comes back."""
    sent = new_message_id()
    waited = asdict(Waited.of(earlier).again(admitted=False, unanswered=None))
    message = {MESSAGE: sent, **changes}
    return request(**{HEADER: {"sent": sent, **waited}, **message})


def test_waits_are_counted_from_the_first():
    first = request()
    second = again(first)
    third = again(second)

    assert [Waited.of(r).times for r in (first, second, third)] == [0, 1, 2]
    assert Waited.of(third).since == Waited.of(second).since


def test_a_header_that_came_with_another_message_does_not_count():
    """Celery forwards headers to retries and callbacks."""
    forwarded = again(again(request()), **{MESSAGE: new_message_id()})

    assert Waited.of(forwarded).times == 0
    assert Waited.of(forwarded).message == message_id_of(forwarded)


def test_the_first_message_stays_known():
    first = request(**{MESSAGE: new_message_id()})

    assert Waited.of(first).message == message_id_of(first)
    assert Waited.of(again(again(first))).message == message_id_of(first)


def test_who_was_let_in_once_stays_so():
    once = Waited.of(request()).again(admitted=True, unanswered=None)

    assert not Waited.of(again(request())).admitted
    assert once.again(admitted=False, unanswered=None).admitted


def test_the_last_tokens_that_heard_no_answer_are_kept():
    waited = Waited.of(request())
    for number in range(9):
        waited = waited.again(admitted=False, unanswered=f"token-{number}")

    assert waited.unanswered == tuple(f"token-{number}" for number in range(4, 9))
    # Whoever has heard something holds nothing without knowing.
    assert waited.again(admitted=False, unanswered=None).unanswered == ()


@pytest.mark.parametrize("header", ["text", 17, [], {}, {"sent": "00000000-0"}, None])
def test_a_header_that_nobody_can_read_does_not_count(header):
    message = request(**{HEADER: header, MESSAGE: "00000000-0"})

    assert Waited.of(message).times == 0


def test_what_another_serializer_wrote_is_sent_by_it():
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.accept_content = ["json", "application/x-python-serialize"]

    @app.task(shared=False)
    def work(thing): ...

    sent = []

    @after_task_publish.connect
    def note(body, **_):
        sent.append(body[0])

    message = request(args=[object], kwargs={})
    with pytest.raises(DeliveryOver), app:
        requeue(work, message, 1, TimeoutError("busy"), quiet=True)

    assert sent == [(object,)]


def test_what_no_serializer_can_write_is_not_sent():
    app = Celery(broker="memory://", set_as_current=False)

    @app.task(shared=False)
    def work(thing): ...

    message = request(args=[object], kwargs={})
    with pytest.raises(TimeoutError, match="busy"), app:
        requeue(work, message, 1, TimeoutError("busy"), quiet=True)
