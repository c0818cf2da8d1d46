"""Rules that processes compare: the same rule has one digest, another rule another."""

from typing import Any

import pytest

from tests.inprocess import make_app
from tests.programs import run_python
from unique_task import UniqueCeleryTask, retry, unique
from unique_task.operating.about import ABOUT, about
from unique_task.operating.verdicts import PROCESSES


def rules(guard: Any, function: Any = None) -> dict[str, Any]:
    """The rules of a task in an app of its own."""

    def work(item: Any, note: str = "") -> None: ...

    with make_app() as app:
        app.task(name="work", shared=False)(guard(function or work))
        known: dict[str, Any] = about(app, lambda: 0.0)["tasks"]["work"]
        return known


def alike(one: Any, other: Any) -> set[str]:
    """The names of the rules that two tasks share."""
    return {name for name in ("key", "code", "options") if one[name] == other[name]}


ALL = {"key", "code", "options"}


def of(**options: Any) -> dict[str, Any]:
    return rules(unique(**options))


def test_the_same_options_are_the_same_rules():
    assert alike(of(key="{item}"), of(key="{item}")) == ALL


@pytest.mark.parametrize(
    "key", ["{note}", ["item"], "x:{item}", None, lambda item, note: item]
)
def test_another_key_is_another_rule(key):
    assert "key" not in alike(of(key=key), of(key="{item}"))


def by_item(item: Any, note: Any) -> Any:
    return item


def by_both(item: Any, note: Any) -> Any:
    return item, note


def test_another_body_of_the_function_that_makes_keys_is_seen():
    before, after = by_item, by_both
    after.__name__, after.__qualname__ = before.__name__, before.__qualname__

    assert alike(of(key=before), of(key=after)) == ALL - {"code"}


def test_a_further_parameter_is_seen_where_it_is_part_of_the_key():
    def wider(item: Any, note: str = "", more: int = 0) -> None: ...

    assert alike(of(), rules(unique, wider)) == ALL - {"key"}
    assert alike(of(key="{item}"), rules(unique(key="{item}"), wider)) == ALL


def test_another_default_is_another_rule():
    def other(item: Any, note: str = "none") -> None: ...

    assert alike(of(), rules(unique, other)) == ALL - {"key"}


@pytest.mark.parametrize(
    "options",
    [
        {"expire": 5},
        {"on_duplicate": "skip"},
        {"on_duplicate": retry(maximum=5)},
        {"on_duplicate": lambda duplicate: None},
        {"lock": "until_executed"},
        {"limit": 2},
        {"renew": False},
    ],
)
def test_other_options_are_other_rules(options):
    assert alike(of(**options), of()) == ALL - {"options"}


def class_task(lock_id: Any = None) -> dict[str, Any]:
    class Work(UniqueCeleryTask):
        name = "work"

        def run(self, item: Any) -> None: ...

    if lock_id is not None:
        setattr(Work, "generate_lock_id", lock_id)
    with make_app() as app:
        app.register_task(Work())
        known: dict[str, Any] = about(app, lambda: 0.0)["tasks"]["work"]
        return known


def test_a_class_with_a_lock_id_of_its_own_has_a_rule_of_its_own():
    def lock_id(self: Any, item: Any) -> Any:
        return item

    assert alike(class_task(), class_task()) == ALL
    assert alike(class_task(lock_id), class_task()) == {"options"}


PRINT = """
from tests.operating.test_about import of, by_item
print(of(key=lambda item, note: item in {"a", "b", "c"} or item == "d"),
      of(key=by_item, on_duplicate=by_item))
"""


def test_two_processes_have_the_same_digests():
    def told() -> list[str]:
        text = run_python(PRINT).stdout
        return [part for part in text.split("'") if len(part) == 12]

    first = told()
    assert len(first) >= 6
    assert first == told()


def test_workers_of_all_versions_know_the_questions_and_answer_by_the_same_names():
    with make_app() as app:
        app.task(name="work", shared=False)(unique(by_item))
        answer = about(app, lambda: 0.0)

    assert (ABOUT, PROCESSES) == ("unique_task_about", "unique_task_processes")
    assert {"version", "python", "now", "shadow", "tasks"} <= answer.keys()
    assert {"store", "key", "code", "options"} <= answer["tasks"]["work"].keys()
