"""The tool that compares Celery's own tests with and without us finds differences."""

from tests.celery_suite.__main__ import counted, differing


def test_a_test_differs_that_ends_otherwise_or_ran_once_only():
    plain = {"a": "passed", "b": "passed", "c": "skipped", "d": "passed"}
    guarded = {"a": "passed", "b": "failed in call", "c": "passed", "e": "passed"}

    assert differing(plain, guarded) == ["b", "c", "d", "e"]
    assert differing(plain, plain) == []


def test_outcomes_are_counted_in_words():
    assert counted({"a": "passed", "b": "skipped", "c": "passed"}) == (
        "2 passed, 1 skipped"
    )
