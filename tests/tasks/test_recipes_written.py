"""How recipes are written, and what whoever writes them wrong is told."""

from typing import Any

import pytest
from celery import Celery

from unique_task import ConfigurationError, recipes, retry, unique
from unique_task.recipes import (
    at_most,
    debounce,
    no_overlap,
    once_more,
    single_flight,
    singleton,
    throttle,
)

BARE: dict[str, Any] = {
    "singleton": singleton,
    "single_flight": single_flight,
    "once_more": once_more,
}


#: The same, of which a type checker knows nothing.
ANY: Any = recipes
ON_ANY: Any = unique(key=())


@pytest.fixture
def app():
    return Celery("shop", set_as_current=False, broker="memory://")


@pytest.mark.parametrize("recipe", BARE.values(), ids=BARE)
def test_a_recipe_that_needs_nothing_needs_no_parentheses(app, recipe):
    @app.task
    @recipe
    def below(name):
        return name

    @recipe
    @app.task
    def above(name):
        return name

    app.conf.unique_backend = "memory://"
    assert (below("a"), above("b")) == ("a", "b")
    for task in (below, above):
        with pytest.raises(ConfigurationError, match="@unique already"):
            unique(task)


@pytest.mark.parametrize(
    "recipe, said",
    [
        (throttle, r"@throttle\(60\)"),
        (debounce, r"@debounce\(60\)"),
        (no_overlap, r'@no_overlap\("ledger"\)'),
        (at_most, r"@at_most\(3\)"),
    ],
)
def test_a_recipe_that_needs_something_says_what(app, recipe, said):
    with pytest.raises(ConfigurationError, match=said):

        @recipe
        def below(): ...

    with pytest.raises(ConfigurationError, match=said):

        @recipe
        @app.task
        def above(): ...


@pytest.mark.parametrize(
    "write, said",
    [
        (lambda: ANY.debounce(5, lock="until_executed"), "debounce.*lock="),
        (lambda: ANY.debounce(5, on_duplicate="skip"), "debounce.*on_duplicate="),
        (lambda: ANY.throttle(60, expire=5), "throttle.*expire="),
        (lambda: ANY.throttle(60, lock="until_executed"), "throttle.*lock="),
        (lambda: ANY.singleton(key="{x}"), "singleton.*key="),
        (
            lambda: ANY.single_flight(on_duplicate="skip"),
            "single_flight.*on_duplicate=",
        ),
        (lambda: ANY.once_more(lock="until_executed"), "once_more.*lock="),
        (lambda: ANY.once_more(on_duplicate="skip"), "once_more.*on_duplicate="),
        (lambda: ANY.no_overlap("a", on_duplicate="skip"), "no_overlap.*on_duplicate="),
        (lambda: ANY.at_most(3, on_duplicate="skip"), "at_most.*on_duplicate="),
        (lambda: ANY.at_most(3, lock="until_executed"), "at_most.*lock="),
    ],
)
def test_an_option_that_the_recipe_gives_is_named(write, said):
    with pytest.raises(ConfigurationError, match=rf"{said}.*@unique\(\.\.\.\)"):
        write()


@pytest.mark.parametrize(
    "write, said",
    # What a type checker refuses as well.
    [
        (lambda: ANY.throttle("60"), "period='60'"),
        (lambda: ANY.debounce(0), "quiet=0"),
        (lambda: ANY.debounce(5, max_wait="1"), "max_wait='1'"),
        (lambda: ANY.single_flight("60"), "ttl='60'"),
        (lambda: ANY.singleton("nightly"), r"singleton\('nightly'\).*by name"),
        (lambda: ANY.singleton(colour="red"), "'colour' is no option"),
        (lambda: ANY.once_more(5), "5: "),
        (lambda: ANY.no_overlap(5), "namespace=5"),
        (lambda: ANY.at_most("3"), "limit='3'"),
        (lambda: ANY.at_most(0), "limit=0"),
        (lambda: ANY.at_most(), r"@at_most\(3\)"),
        (lambda: ANY.at_most(3, limit=4), r"at_most\(3, limit=4\)"),
        (lambda: ANY.throttle(60, limit=1.5), r"limit=1\.5"),
        (lambda: ON_ANY("task"), "'task'"),
    ],
)
def test_a_wrong_value_is_named_as_it_was_written(write, said):
    with pytest.raises(ConfigurationError, match=said):
        write()


def test_a_policy_may_stand_where_a_bare_recipe_has_its_function():
    decorate: Any = once_more(retry(countdown=5), key="{x}")

    assert decorate(lambda x: x).__name__ == "<lambda>"
