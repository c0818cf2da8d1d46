"""What people write in forms is read, or they are told what is wrong with it."""

import pytest

from unique_task.operating import Wanted
from unique_task.pages.inputs import Asked, Filters, InputError, seconds_of

pytestmark = pytest.mark.any_celery


def test_an_empty_form_asks_for_all():
    filters = Filters.of({"task": [""], "state": [""], "page": [" "]})

    assert filters.wanted == Wanted()
    assert (filters.page, filters.query(1)) == (1, {})


def test_each_filter_is_read_and_leads_to_the_next_page():
    fields = {
        "task": [" shop.* "],
        "worker": ["w1@*"],
        "state": ["running", "called"],
        "verdict": ["dead"],
        "older_than": ["5 min"],
    }
    filters = Filters.of({**fields, "page": ["3"]})

    assert filters.wanted == Wanted(
        "shop.*", "w1@*", ("running", "called"), ("dead",), 300.0
    )
    assert filters.page == 3
    assert filters.query(4) == {
        **{name: value for name, value in fields.items() if len(value) > 1},
        "task": "shop.*",
        "worker": "w1@*",
        "verdict": ["dead"],
        "older_than": "5 min",
        "page": "4",
    }


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"state": ["gone"]}, "state: there is no gone; there are pending, running"),
        ({"verdict": ["<b>"]}, "verdict: there is no <b>; there are alive"),
        ({"older_than": ["long"]}, "older than: long is no duration: write seconds"),
        ({"older_than": ["-1"]}, "-1 is no duration"),
        ({"older_than": ["x" * 9999]}, "older than: x{80}[.]{3} is no duration"),
    ],
)
def test_a_filter_that_is_not_allowed_is_an_error_that_names_it(fields, said):
    with pytest.raises(InputError, match=said):
        Filters.of(fields).wanted


@pytest.mark.parametrize("number", ["0", "-1", "two", "9" * 5000, "²"])
def test_a_page_is_a_number_from_1_on(number):
    with pytest.raises(InputError, match="is no number from 1 on"):
        Filters.of({"page": [number]}).page


@pytest.mark.parametrize(
    "text, seconds", [("90", 90), ("1.5 min", 90), ("2h", 7200), ("1 d", 86400)]
)
def test_a_duration_has_a_unit(text, seconds):
    assert seconds_of("for", text) == seconds


def test_arguments_are_json():
    asked = Asked.of({"wanted": ["work"], "args": ['[1, "a"]'], "kwargs": ["{}"]})

    assert asked.arguments == ([1, "a"], {})
    assert Asked("work").arguments == (None, None)


@pytest.mark.parametrize(
    "args, kwargs, said",
    [
        ("[1,", "", r"^arguments: \[1, is no JSON, such as \[7, \"a\"\]: "),
        ('{"a": 1}', "", r"^arguments: .* is no JSON array"),
        ("", "7", r"^keyword arguments: 7 is no JSON object, such as"),
        ("[" * 100_000, "", "it is too deep"),
        ("\x00\u202e", "", r"arguments: \\x00\\u202e is no JSON"),
    ],
)
def test_what_is_no_json_is_an_error_that_repeats_it(args, kwargs, said):
    with pytest.raises(InputError, match=said):
        Asked("work", args, kwargs).arguments
