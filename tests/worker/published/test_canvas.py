"""A member of a canvas that is a duplicate: nobody waits for it for ever."""

from collections.abc import Callable
from typing import Any

import celery
import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError

from tests.waiting import wait_until
from tests.worker.conftest import redis_only
from tests.worker.published.locks import held
from tests.worker.tasks import collect, note
from tests.worker.tasks_published import (
    AT_PUBLISH,
    GUARDED_BY,
    REPLACING,
    ask,
    succeeding,
)
from unique_task import DuplicateTaskError

pytestmark = [
    pytest.mark.worker,
    pytest.mark.usefixtures("worker"),
    redis_only,
]

TIMEOUT = 20

#: Who holds the lock of each type when the member arrives.
HOLDERS = [
    ("until_executing", "pending"),
    ("until_executed", "pending"),
    ("until_executed", "running"),
    ("until_expired", "pending"),
    ("until_expired", "ended"),
]

OTHER: Any = collect.si(0)

#: Each canvas with a member, and its value where the member's is None.
CANVASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "group": (lambda member: group(member, OTHER), [None, 0]),
    "chord header": (lambda member: chord([OTHER, member], collect.s()), [0, None]),
    "chord body": (lambda member: chord([OTHER, OTHER], member), None),
    "chain head": (lambda member: chain(member, collect.s(), collect.s()), None),
    "chain middle": (lambda member: chain(OTHER, member, collect.s()), None),
    "chain tail": (lambda member: chain(OTHER, member), None),
    "chord of chains": (
        lambda member: chord([chain(OTHER, member), chain(OTHER, OTHER)], collect.s()),
        [None, 0],
    ),
    "chain of chords": (
        lambda member: chain(chord([OTHER, member], collect.s()), collect.s()),
        [0, None],
    ),
}

# What Celery 5.3 raises of any chain behind a chord that fails.
_OF_CELERY = ValueError if celery.VERSION < (5, 4) else ChordError

ERRORS = {"ignore": TaskRevokedError, "raise": DuplicateTaskError}

each_holder = pytest.mark.parametrize("lock, state", HOLDERS)
each_canvas = pytest.mark.parametrize("canvas", CANVASES)


@pytest.fixture
def hold(shelf, witness, run, key):
    """Call it with a task and a state for the result of the call that has its key."""

    def begin(task, state):
        result = shelf.put(task, key, 1)
        if state != "pending":
            shelf.deliver()
            run()
        if state == "ended":
            witness.open(key)
            assert result.get(timeout=TIMEOUT) == 1
        return result

    return begin


def outcome(result: Any) -> Any:
    """Return the value of a canvas, or the error that it ends with."""
    try:
        return result.get(timeout=TIMEOUT)
    except (TaskRevokedError, DuplicateTaskError, ChordError, _OF_CELERY) as error:
        return error


@each_canvas
@each_holder
def test_a_canvas_goes_on_with_what_skip_returns(hold, key, lock, state, canvas):
    task = GUARDED_BY[lock, "skip"]
    hold(task, state)
    build, expected = CANVASES[canvas]

    result = build(task.si(key, 2)).apply_async()

    assert outcome(result) == expected


@pytest.mark.parametrize("policy", ERRORS)
@each_canvas
@each_holder
def test_a_canvas_ends_with_the_error(hold, key, lock, state, canvas, policy):
    task = GUARDED_BY[lock, policy]
    hold(task, state)
    build, _ = CANVASES[canvas]

    result = build(task.si(key, 2)).apply_async()

    expected = (ERRORS[policy], ChordError, _OF_CELERY)
    assert isinstance(outcome(result), expected)


@pytest.mark.parametrize("policy", ERRORS)
@each_holder
def test_a_task_does_not_fail_because_the_next_of_its_chain_is_a_duplicate(
    hold, key, lock, state, policy
):
    task = GUARDED_BY[lock, policy]
    hold(task, state)

    result: Any = chain(OTHER, task.si(key, 2)).apply_async()

    assert isinstance(outcome(result), ERRORS[policy])
    assert (result.parent.get(timeout=TIMEOUT), result.parent.state) == (0, "SUCCESS")


@pytest.mark.parametrize("policy", [*ERRORS, "skip"])
@each_holder
def test_a_task_does_not_fail_because_what_is_linked_to_it_is_a_duplicate(
    hold, key, lock, state, policy
):
    task = GUARDED_BY[lock, policy]
    hold(task, state)

    result: Any = collect.apply_async((0,), link=task.si(key, 2))

    assert result.get(timeout=TIMEOUT) == 0
    [linked] = wait_until(lambda: result.children)
    expected = ERRORS.get(policy, type(None))
    assert isinstance(outcome(linked), expected)
    assert result.state == "SUCCESS"


# Under until_expired, who retries waits for the end of the window.
EQUAL = [
    (lock, policy)
    for lock in AT_PUBLISH
    for policy in ("ignore", "skip", "raise", "retry")
    if (lock, policy) != ("until_expired", "retry")
]


@pytest.mark.parametrize("lock, policy", EQUAL)
def test_a_chord_of_equal_members_ends(witness, key, lock, policy):
    witness.open(key)
    member = GUARDED_BY[lock, policy].si(key, 1)

    result = chord([member] * 3, collect.s()).apply_async()

    wait_until(result.ready, TIMEOUT)
    assert witness.most_at_once(key) == 1 or lock in (
        "until_executing",
        "until_expired",
    )


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_an_errback_of_a_chord_is_called(hold, witness, key, lock):
    task = GUARDED_BY[lock, "raise"]
    if lock == "until_and_while_executing":
        hold(task, "running")
    else:
        hold(task, "pending")
    body = collect.s().on_error(note.si(f"errback {key}", "called"))

    chord([OTHER, task.si(key, 2)], body).apply_async()

    wait_until(lambda: witness.noted(f"errback {key}") == ["called"])


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_member_does_not_replace_who_waits(hold, key, witness, shelf, lock):
    first = hold(REPLACING[lock], "pending")
    witness.open(key)

    result = chain(OTHER, REPLACING[lock].si(key, 2)).apply_async()

    if lock == "until_and_while_executing":  # nobody runs, so it is its turn
        assert outcome(result) == 2
    else:
        assert isinstance(outcome(result), TaskRevokedError)
    shelf.deliver()
    assert first.get(timeout=TIMEOUT) == 1


@each_holder
def test_a_call_in_a_body_is_a_call_like_any_other(hold, key, lock, state):
    hold(GUARDED_BY[lock, "raise"], state)

    with pytest.raises(DuplicateTaskError):
        ask.delay(lock, key).get(timeout=TIMEOUT)


def test_a_task_can_replace_itself_by_an_equal_call(witness, key):
    witness.open(key)

    result = succeeding.delay(key)

    assert result.get(timeout=TIMEOUT) == "replaced"
    assert (witness.runs(key), witness.most_at_once(key)) == (2, 1)
    wait_until(lambda: not held(succeeding, key))
