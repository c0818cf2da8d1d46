"""What is shown of a key beside its holders: the value of a run, marks of attempts."""

from typing import Any

from tests.published_calls import key_of, store_of, task_of
from unique_task import cached, unique
from unique_task.backends.record import Record, Token
from unique_task.operating import LeftBehind, Marked, show
from unique_task.pages.timeline import left_behind_fields

pytest_plugins = "tests.inprocess_fixtures"


def shown(task: Any, key: str = "") -> LeftBehind:
    """What is left behind of a call without arguments, or of a key."""
    [detail] = show(task.app, key or task.name, timeout=0)
    assert detail.left_behind is not None
    return detail.left_behind


def test_the_age_of_a_value_is_told_for_a_call(app):
    task = task_of(app, unique(on_duplicate=cached(ttl=60)))
    assert shown(task) == LeftBehind(False, None, None, ())
    task.apply()

    left = shown(task)

    assert left.has_value
    assert left.age is not None and left.fresh_for is not None
    assert 0 <= left.age < 30 and left.age + left.fresh_for == 60


def test_of_a_key_nobody_knows_how_old_its_value_is(app):
    task = task_of(app, unique(on_duplicate=cached(ttl=60)))
    task.apply()

    left = shown(task, key_of(task))

    assert (left.has_value, left.age) == (True, None)
    assert left.fresh_for is not None and 30 < left.fresh_for <= 60


def test_the_mark_of_a_holder_says_what_its_second_delivery_does(app):
    task, token = task_of(app), Token.of_attempt("one")
    store_of(app).acquire(key_of(task), Record(token, task.name), 60, remember_for=600)

    [mark] = shown(task).marks

    assert (mark.owner, mark.finished) == ("one", False)
    assert 500 < mark.remaining <= 600


def test_a_holder_without_a_mark_has_none(app):
    task = task_of(app)
    store_of(app).acquire(key_of(task), Record(Token.of_attempt("one"), task.name), 60)

    assert shown(task).marks == ()


def test_what_is_left_behind_is_told_in_words():
    marks = (Marked("one", False, 90), Marked("two", True, 600))
    left = LeftBehind(True, age=12.3, fresh_for=3600, marks=marks)

    assert list(left_behind_fields(left)) == [
        ("value", "stored 12.3 s ago, fresh for 60 min"),
        ("remembered", "a second delivery of one waits for this one; for 90.0 s"),
        ("remembered", "a second delivery of two does not run; for 10 min"),
    ]
    assert list(left_behind_fields(LeftBehind(True, None, None, ()))) == [
        ("value", "there is one")
    ]
    assert not list(left_behind_fields(LeftBehind(False, None, None, ())))
