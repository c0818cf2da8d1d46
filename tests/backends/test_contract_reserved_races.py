"""What every store of locks does when many messages want the same lock at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.backends.stores import (
    LEASE,
    LONG,
    ONE,
    REMEMBERED,
    open_store,
    published,
    record_of,
    start,
)
from unique_task.backends.base import Backend
from unique_task.backends.steps import Acquired, Replaced, Reserved

pytestmark = pytest.mark.usefixtures("hasty_threads")

KEYS = [f"key {number}" for number in range(50)]

#: What one of many does with a key.
Step = Callable[[Backend, str], Any]


def at_once(backend: Backend, url: str, *steps: Step) -> list[tuple[Any, ...]]:
    """For each key the results of the steps, each in a thread of its own."""
    # Who fails does not let the others wait for ever.
    barrier = Barrier(len(steps), timeout=60)

    def take_all(step: Step) -> list[Any]:
        own = open_store(url) if backend.shared else backend
        answers = []
        for key in KEYS:
            barrier.wait()
            answers.append(step(own, key))
        return answers

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(zip(*threads.map(take_all, steps)))


def reserve(backend: Backend, key: str) -> Any:
    return backend.reserve(key, published("one of many"), LEASE)


def take(backend: Backend, key: str) -> Any:
    return backend.acquire(key, record_of("one of many"), LEASE)


def deliver(backend: Backend, key: str) -> Any:
    return start(backend, ONE, LEASE, key=key)


def pass_through(backend: Backend, key: str) -> Any:
    return start(backend, ONE, expire=0, key=key)


def substitute(backend: Backend, key: str) -> Any:
    """Take the place of a message, and start."""
    message = published("one of many")
    answer = backend.reserve(
        key, message, LEASE, replace_within=LONG, remember_for=REMEMBERED
    )
    if not isinstance(answer, Reserved):
        return answer
    return start(backend, message, LEASE, key=key, generation=answer.fence)


def won(answers: tuple[Any, ...]) -> list[Any]:
    return [one for one in answers if isinstance(one, (Acquired, Reserved))]


def test_of_many_who_reserve_or_take_a_free_lock_one_gets_it(backend, url):
    for answers in at_once(backend, url, *[reserve, take] * 3):
        assert len(won(answers)) == 1


def test_of_many_deliveries_one_starts_and_none_of_the_others(backend, url):
    for key in KEYS:
        backend.reserve(key, ONE, expire=LEASE)

    for answers in at_once(backend, url, *[deliver, reserve, deliver, take] * 2):
        assert len(won(answers)) == len(won(answers[0::2])) == 1


def test_who_passes_through_leaves_the_lock_to_one(backend, url):
    for key in KEYS:
        backend.reserve(key, ONE, expire=LEASE)

    for key, answers in zip(KEYS, at_once(backend, url, pass_through, *[take] * 4)):
        assert isinstance(answers[0], Acquired)
        held = backend.get(key)
        assert len(won(answers[1:])) == (held is not None) <= 1


def test_of_many_who_replace_each_other_all_but_one_are_told(backend, url):
    def replace(backend: Backend, key: str) -> Any:
        message = published("one of many")
        answer = backend.reserve(
            key, message, LEASE, replace_within=LONG, remember_for=REMEMBERED
        )
        return message, answer

    for key, answers in zip(KEYS, at_once(backend, url, *[replace] * 6)):
        fences = sorted(answer.fence for _, answer in answers)
        replaced = [answer.replaced for _, answer in answers if answer.replaced]
        assert sorted(one.record.fence for one in replaced) == fences[:-1]
        for message, answer in answers:
            last = answer.fence == fences[-1]
            started = start(backend, message, LEASE, key=key, generation=answer.fence)
            assert isinstance(started, Acquired if last else Replaced)


def test_of_many_who_replace_and_start_one_starts(backend, url):
    fences = {key: backend.reserve(key, ONE, expire=LEASE).fence for key in KEYS}

    def deliver_unless_replaced(backend: Backend, key: str) -> Any:
        return start(backend, ONE, LEASE, key=key, generation=fences[key])

    steps = [deliver_unless_replaced, *[substitute] * 4, deliver_unless_replaced]
    for answers in at_once(backend, url, *steps):
        assert len(won(answers)) == 1


def test_a_lock_is_given_back_or_the_message_starts(backend, url):
    message = published("the later one")
    taken = {}
    for key in KEYS:
        backend.reserve(key, ONE, expire=LEASE)
        taken[key] = backend.reserve(
            key, message, LEASE, replace_within=LONG, remember_for=REMEMBERED
        )

    def give_back(backend: Backend, key: str) -> bool:
        return backend.restore(key, message.token, taken[key].replaced)

    def start_it(backend: Backend, key: str) -> Any:
        return start(backend, message, LEASE, key=key, generation=taken[key].fence)

    for answers in at_once(backend, url, *[give_back, start_it] * 3):
        assert answers[0::2].count(True) + len(won(answers[1::2])) == 1
