"""Options and settings of locks that are taken at publish."""

from typing import Any

import pytest
from celery import Celery

from tests.published_calls import holder, is_duplicate, task_of
from unique_task import ConfigurationError, cached, replace, retry, skip, unique
from unique_task.options.app_settings import settings_of
from unique_task.options.guarded_class import GUARDED
from unique_task.options.lock_types import LOCK_TYPES
from unique_task.options.policies import Wait, ignore

pytest_plugins = "tests.inprocess_fixtures"

AT_PUBLISH = [kind.name for kind in LOCK_TYPES.values() if kind.taken_at_publish]
NO_VALUE = ["until_executing", "until_expired", "until_and_while_executing"]


def refused(**options: Any) -> str:
    """Return what the decorator says of options that make no sense."""
    with pytest.raises(ConfigurationError) as error:
        unique(**options)
    return str(error.value)


# What makes no sense fails at import


@pytest.mark.parametrize("policy", ["replace", replace(countdown=5)], ids=str)
@pytest.mark.parametrize(
    "choice", [lambda p: p, lambda p: {"publish": p}], ids=["", "publish"]
)
def test_nothing_waits_that_could_be_replaced_in_while_executing(policy, choice):
    said = refused(lock="while_executing", on_duplicate=choice(policy))

    assert said == (
        "on_duplicate=\"replace\" with lock='while_executing': a task that waits in "
        'the queue has no lock to take over; use lock="until_executing"'
    )


@pytest.mark.parametrize("lock", [None, *LOCK_TYPES])
def test_what_runs_cannot_be_replaced(lock):
    said = refused(lock=lock, on_duplicate={"run": "replace"})

    assert said == (
        "on_duplicate={'run': 'replace'}: what runs cannot be replaced; "
        '"replace" is for "publish" only'
    )


@pytest.mark.parametrize("lock", NO_VALUE)
@pytest.mark.parametrize(
    "policy", ["cached", cached(5), {"publish": "cached"}, {"run": cached(5)}], ids=str
)
def test_nobody_waits_for_the_value_where_equal_calls_may_run_at_once(lock, policy):
    assert refused(lock=lock, on_duplicate=policy) == (
        f'on_duplicate="cached" with lock={lock!r}: no call could wait for the value; '
        'use lock="while_executing" or "until_executed"'
    )


@pytest.mark.parametrize("policy", [{"publish": "raise"}, {"publish": 1, "run": 2}])
def test_publish_says_nothing_of_a_lock_that_is_taken_at_run(policy):
    names = {1: skip(1), 2: "raise"}
    policy = {when: names.get(said, said) for when, said in policy.items()}

    said = refused(lock="while_executing", on_duplicate=policy)

    assert said.startswith(f"on_duplicate={policy!r}: while_executing locks are not ")
    assert said.endswith('taken when a task is published; "publish" has no effect')


@pytest.mark.parametrize("lock", AT_PUBLISH)
@pytest.mark.parametrize(
    "policy",
    [
        *("ignore", "skip", "retry", "raise", "replace", skip(1), retry(countdown=5)),
        *({"publish": "replace", "run": "retry"}, {"run": "raise"}),
    ],
    ids=str,
)
def test_the_other_pairs_are_taken(app, lock, policy):
    task = task_of(app, unique(lock=lock, on_duplicate=policy))

    assert task.delay().duplicate is False


# Settings


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_the_setting_is_for_tasks_that_name_no_lock_type(app, sent, lock):
    app.conf.unique_lock = lock
    work = task_of(app, unique)
    own = task_of(app, unique(lock="while_executing"), name="own", shared=False)

    work.delay()
    own.delay()

    assert bool(sent[0].lock) == LOCK_TYPES[lock].taken_at_publish
    assert sent[1].lock is None


def test_the_setting_names_the_policy_at_publish_too(app):
    app.conf.update(unique_lock="until_executed", unique_on_duplicate=skip("x"))
    work = task_of(app, unique)
    first = work.delay()

    assert is_duplicate(work.delay(), of=first)
    app.conf.unique_on_duplicate = {"publish": lambda duplicate: 5, "run": "raise"}
    assert work.delay().get() == 5


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"unique_lock": "forever"}, "unique_lock='forever': allowed are "),
        ({"unique_lock": None}, "unique_lock=None: allowed are "),
        ({"unique_on_duplicate": "drop"}, "unique_on_duplicate='drop': allowed are "),
        ({"unique_on_duplicate": {"run": "replace"}}, "what runs cannot be replaced"),
        ({"unique_on_duplicate": "replace"}, "lock='while_executing'"),
        (
            {"unique_lock": "until_expired", "unique_on_duplicate": "cached"},
            "lock='until_expired': no call",
        ),
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_an_error_of_the_call(
    app, sent, settings, words
):
    app.conf.update(settings)

    with pytest.raises(ConfigurationError) as error:
        task_of(app, unique).delay()

    assert words in str(error.value)
    assert not sent


def test_switched_off_nothing_is_locked(app, sent):
    app.conf.unique_enabled = False
    work = task_of(app)

    for _ in range(2):
        assert work.delay().duplicate is False
    assert [message.lock for message in sent] == [None, None]
    app.conf.unique_enabled = True
    assert holder(work) is None


def plan_of(app: Celery, **options: Any) -> Any:
    task = task_of(app, unique(**options), name=repr(options))
    return getattr(task, GUARDED).spec.plan(task, settings_of(app))


def test_a_second_waits_for_the_first_unless_its_policy_is_said(app):
    lock = "until_and_while_executing"

    assert isinstance(plan_of(app, lock=lock).run_policy, Wait)
    assert plan_of(app, lock=lock, on_duplicate={"run": "ignore"}).run_policy is ignore
    plan = plan_of(app, lock=lock, on_duplicate={"publish": "raise"})
    assert isinstance(plan.run_policy, Wait)


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_duplicate_is_ignored_at_publish_unless_that_is_said(app, lock):
    plan = plan_of(app, lock=lock, on_duplicate={"run": "raise"})

    assert plan_of(app, lock=lock).publish_policy is ignore
    assert plan.publish_policy is ignore


def test_a_value_is_kept_for_expire_unless_cached_says_otherwise(app):
    options: dict[str, Any] = {"lock": "until_executed", "expire": 70}

    assert plan_of(app, **options).value_ttl is None
    assert plan_of(app, **options, on_duplicate="cached").value_ttl == 70
    assert plan_of(app, **options, on_duplicate=cached(5)).value_ttl == 5
    choice = {"publish": cached(6), "run": "ignore"}
    assert plan_of(app, **options, on_duplicate=choice).value_ttl == 6
