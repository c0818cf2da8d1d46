"""What travels or is stored by name is what version 0.1 writes and reads."""

import json

import pytest

from unique_task import cached, retry, skip
from unique_task.options.lock_types import LOCK_TYPES
from unique_task.options.policies import fail, ignore, replace
from unique_task.options.policy_names import policy_from_message, policy_to_message

#: Policies, as the texts that 0.1 wrote into messages.
POLICIES = [
    ('"ignore"', ignore),
    ('"raise"', fail),
    ('"skip"', skip()),
    ('"cached"', cached()),
    ('"retry"', retry()),
    ('"replace"', replace()),
    ('{"skip": {"value": 5}}', skip(5)),
    ('{"skip": {"value": {"id": [1, null]}}}', skip({"id": [1, None]})),
    ('{"cached": {"ttl": 60.0}}', cached(60)),
    (
        '{"retry": {"countdown": 5.0, "backoff": 2.0, "maximum": 30.0, '
        '"jitter": true, "timeout": null}}',
        retry(countdown=5),
    ),
    (
        '{"retry": {"countdown": 0.5, "backoff": 1.0, "maximum": 10.0, '
        '"jitter": false, "timeout": 60.0}}',
        retry(countdown=0.5, backoff=1, maximum=10, jitter=False, timeout=60),
    ),
]

TEXTS = [text for text, _ in POLICIES]


@pytest.mark.parametrize("text, policy", POLICIES, ids=TEXTS)
def test_a_policy_is_written_as_by_0_1(text, policy):
    assert json.dumps(policy_to_message(policy)) == text


@pytest.mark.parametrize("text, policy", POLICIES, ids=TEXTS)
def test_a_policy_that_0_1_wrote_is_read(text, policy):
    assert policy_from_message(json.loads(text)) == policy


#: Lock types, and the names under which 0.1 stores a reservation, that of a successor,
#: and a run.
RUN = "0102e6e11d843a9e1a61dab36655c0ad"
NAMES = {
    "while_executing": ("key", "key.successor", "key"),
    "until_executing": ("key", "key.successor", RUN),
    "until_executed": ("key", "key.successor", "key"),
    "until_expired": ("key", "key.successor", RUN),
    "until_and_while_executing": ("key.pending", "key.successor", "key"),
}


def test_lock_types_are_named_as_in_0_1():
    assert LOCK_TYPES.keys() == NAMES.keys()


@pytest.mark.parametrize("lock", NAMES)
def test_locks_are_stored_under_the_names_of_0_1(lock):
    kind = LOCK_TYPES[lock]

    assert NAMES[lock] == (
        kind.reservation_name("key"),
        kind.for_successor().reservation_name("key"),
        kind.run_name("key", "owner"),
    )
