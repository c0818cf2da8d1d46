import json
from types import MappingProxyType

import pytest

from unique_task import ConfigurationError, cached, replace, retry, skip
from unique_task.options.policies import Cached, Replace, Wait, fail, ignore
from unique_task.options.policy_names import (
    POLICIES,
    Policies,
    policies_from,
    policy_from_message,
    policy_to_message,
)


@pytest.mark.parametrize(
    "name, policy",
    [
        ("ignore", ignore),
        ("raise", fail),
        ("retry", Wait(1, 2, 30, True, None)),
        ("cached", Cached(None)),
    ],
)
def test_a_policy_may_be_given_by_its_name(name, policy):
    assert policies_from(name) == Policies(publish=policy, run=policy)


def test_skip_by_its_name_skips_with_none():
    assert policies_from("skip") == Policies(skip(), skip(None))


@pytest.mark.parametrize(
    "policy", [retry(countdown=5), cached(60), skip(1), fail, lambda duplicate: 1]
)
def test_a_policy_object_or_a_callable_is_taken_as_it_is(policy):
    assert policies_from(policy) == Policies(policy, policy)


@pytest.mark.parametrize("make", [skip, retry, cached, replace])
def test_a_policy_without_its_parentheses_is_an_error(make):
    name = make.__name__

    with pytest.raises(ConfigurationError) as error:
        policies_from(make)

    assert str(error.value) == f"on_duplicate={name}: say {name}(), with parentheses"


@pytest.mark.parametrize("mapping", [dict, MappingProxyType])
def test_a_mapping_names_a_policy_for_each(mapping):
    choice = mapping({"publish": "ignore", "run": "raise"})

    assert policies_from(choice) == Policies(publish=ignore, run=fail)


def test_a_mapping_for_the_time_of_publishing_leaves_the_run_alone():
    assert policies_from({"publish": "raise"}) == Policies(publish=fail)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"publsh": "ignore"},
        {"run": "ignore", "start": "ignore"},
        {1: "ignore"},
    ],
)
def test_a_mapping_with_another_key_is_an_error(choice):
    with pytest.raises(ConfigurationError) as error:
        policies_from(choice)

    assert str(error.value) == (
        f'on_duplicate={choice!r}: the keys are "publish" and "run"'
    )


@pytest.mark.parametrize("moment", ["publish", "run"])
@pytest.mark.parametrize("value", ["drop", None, 3, retry, {"run": "ignore"}])
def test_a_mapping_to_what_is_no_policy_is_an_error(moment, value):
    with pytest.raises(ConfigurationError, match="on_duplicate="):
        policies_from({moment: value})


@pytest.mark.parametrize("value", ["drop", "Ignore", "", None, 3, True, ["retry"]])
def test_what_is_no_policy_is_an_error_that_lists_them(value):
    with pytest.raises(ConfigurationError) as error:
        policies_from(value)

    assert str(error.value).startswith(f"on_duplicate={value!r}: allowed are ")
    for name in POLICIES:
        assert repr(name) in str(error.value)
    assert "retry(countdown=5), a callable, or" in str(error.value)


def test_replace_is_for_what_is_published():
    assert policies_from("replace") == Policies(publish=Replace())

    with pytest.raises(ConfigurationError, match="what runs cannot be replaced"):
        policies_from({"run": "replace"})


# A policy that a message carries to its worker


@pytest.mark.parametrize(
    "policy",
    [
        *(ignore, fail, skip(), cached(), retry()),
        *(skip([1, "a"]), cached(60), retry(countdown=5, timeout=60)),
    ],
    ids=lambda policy: getattr(policy, "__name__", str(policy)),
)
def test_a_policy_comes_out_of_a_message_as_it_went_in(policy):
    text = json.loads(json.dumps(policy_to_message(policy)))

    assert policy_from_message(text) == policy


def test_a_callable_cannot_travel():
    with pytest.raises(ConfigurationError, match="a callable cannot travel"):
        policy_to_message(print)


@pytest.mark.parametrize("text", ["drop", None, 3, {}, {"retry": {"x": 1}}, {"a": {}}])
def test_a_policy_that_this_version_does_not_know_is_an_error(text):
    with pytest.raises(ConfigurationError, match="does not know"):
        policy_from_message(text)
