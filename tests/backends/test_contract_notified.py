"""What every store does for a notified message if publishes of its successors fail."""

from typing import Any

from tests.backends.stores import ONE, THREE, TWO, published, reserve, start
from unique_task.backends.steps import Acquired, Replaced

FOUR = published("four")


def replaced_in_turn(backend) -> tuple[Any, Any, Any]:
    """The lock waits for the third of some messages, each of which replaced another."""
    return reserve(backend, ONE), reserve(backend, TWO), reserve(backend, THREE)


def test_two_failed_publishes_give_no_lock_to_a_notified_message_after_both(backend):
    one, two, three = replaced_in_turn(backend)
    assert isinstance(start(backend, ONE, generation=one.fence), Replaced)

    assert backend.restore("key", THREE.token, three.replaced)
    assert backend.restore("key", TWO.token, two.replaced)

    assert backend.get("key") is None


def test_two_failed_publishes_give_no_lock_to_a_notified_message_between_them(backend):
    one, two = reserve(backend, ONE), reserve(backend, TWO)
    assert isinstance(start(backend, ONE, generation=one.fence), Replaced)
    three = reserve(backend, THREE)

    assert backend.restore("key", THREE.token, three.replaced)
    assert backend.restore("key", TWO.token, two.replaced)

    assert backend.get("key") is None


def test_two_failed_publishes_in_the_other_order_give_no_lock_to_a_notified_message(
    backend,
):
    one, two, three = replaced_in_turn(backend)
    assert isinstance(start(backend, ONE, generation=one.fence), Replaced)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.restore("key", THREE.token, three.replaced)

    assert backend.get("key") is None


def test_a_notified_message_stays_notified_though_a_later_one_is_notified_too(backend):
    """The second one was sent after all, though its publish failed."""
    one, two, three = replaced_in_turn(backend)
    assert isinstance(start(backend, ONE, generation=one.fence), Replaced)
    assert isinstance(start(backend, TWO, generation=two.fence), Replaced)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.restore("key", THREE.token, three.replaced)

    assert backend.get("key") is None


def test_who_comes_after_a_lock_that_went_to_nobody_gets_it(backend):
    one, two, three = replaced_in_turn(backend)
    start(backend, ONE, generation=one.fence)
    backend.restore("key", THREE.token, three.replaced)
    backend.restore("key", TWO.token, two.replaced)

    four = reserve(backend, FOUR)

    assert four.replaced is None
    assert isinstance(start(backend, FOUR, generation=four.fence), Acquired)
