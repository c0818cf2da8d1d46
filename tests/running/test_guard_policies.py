"""Direct and eager calls that are duplicates: they have no queue to go back to."""

import pytest
from celery.exceptions import Ignore

from tests.inprocess import TIMEOUT
from unique_task import Duplicate, DuplicateTaskError, cached, retry, skip, unique

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def make(app, gate):
    """Make a task whose body waits at the gate and then returns its argument."""

    def make(on_duplicate, **options):
        @app.task
        @unique(on_duplicate=on_duplicate, key=(), **options)
        def work(value):
            gate.hold()
            return value

        return work

    return make


@pytest.mark.parametrize(
    ("policy", "answer"),
    [
        ("ignore", None),
        ("skip", None),
        (skip("later"), "later"),
        (lambda duplicate: duplicate.args, (2,)),
        ({"run": skip("at run"), "publish": "ignore"}, "at run"),
        ({"publish": "skip"}, None),
    ],
)
def test_a_direct_call_gets_the_answer_of_the_policy(make, gate, policy, answer):
    work = make(policy)

    with gate.holding(work, 1):
        assert work(2) == answer


@pytest.mark.parametrize("policy", ["raise", "retry", retry(countdown=5), "cached"])
def test_a_direct_call_that_cannot_come_back_raises(make, gate, policy):
    work = make(policy)

    with gate.holding(work, 1), pytest.raises(DuplicateTaskError) as caught:
        work(2)

    assert caught.value.owner
    assert 5 < (caught.value.remaining or 0) <= 15


@pytest.mark.parametrize("policy", ["cached", cached(ttl=60)])
def test_a_direct_call_gets_a_fresh_value(make, gate, policy):
    work = make(policy)
    gate.open()

    assert [work(1), work(2)] == [1, 1]


@pytest.mark.parametrize(
    ("policy", "state", "answer"),
    [
        ("skip", "SUCCESS", None),
        (skip("later"), "SUCCESS", "later"),
        (lambda duplicate: duplicate.args[0], "SUCCESS", 2),
    ],
)
def test_an_eager_call_gets_the_answer_of_the_policy(make, gate, policy, state, answer):
    work = make(policy)

    with gate.holding(work.apply, (1,)):
        result = work.apply((2,))

    assert (result.state, result.result) == (state, answer)


def test_an_eager_call_is_ignored(make, gate):
    work = make("ignore")

    with gate.holding(work.apply, (1,), task_id="first"):
        result = work.apply((2,))

    assert result.state == "IGNORED"
    assert isinstance(result.result, Ignore)
    assert "duplicate of first" in str(result.result)


@pytest.mark.parametrize("policy", ["raise", "retry", "cached"])
def test_an_eager_call_that_cannot_come_back_fails(make, gate, policy):
    work = make(policy)

    with gate.holding(work.apply, (1,), task_id="first"):
        result = work.apply((2,))

    assert result.state == "FAILURE"
    assert isinstance(result.result, DuplicateTaskError)
    assert result.result.owner == "first"


def test_an_eager_call_gets_a_fresh_value(make, gate):
    work = make("cached")
    gate.open()

    assert work.apply((1,)).get(timeout=TIMEOUT) == 1
    assert work.apply((2,)).get(timeout=TIMEOUT) == 1


def test_delay_in_an_eager_app_is_guarded(app, make, gate):
    app.conf.task_always_eager = True
    work = make(skip("later"))

    with gate.holding(work.delay, 1):
        assert work.delay(2).result == "later"


def test_the_policy_may_come_from_the_settings(app, gate):
    app.conf.unique_on_duplicate = "raise"

    @app.task
    @unique
    def work():
        gate.hold()

    with gate.holding(work), pytest.raises(DuplicateTaskError):
        work()


def test_an_error_of_the_policy_ends_the_call(make, gate):
    def refuse(duplicate):
        raise PermissionError(duplicate.owner)

    work = make(refuse)

    with gate.holding(work.apply, (1,), task_id="first"):
        with pytest.raises(PermissionError, match="first"):
            work(2)
        assert isinstance(work.apply((2,)).result, PermissionError)


def test_a_policy_gets_the_call_and_its_holder(app, gate):
    seen: list[Duplicate] = []

    @app.task(bind=True)
    @unique(key="{a}", on_duplicate=seen.append)
    def work(self, a, b=0):
        gate.hold()

    with gate.holding(work.apply, (1,), task_id="first"):
        work(1, b=2)

    [duplicate] = seen
    assert duplicate.task.name == work.name
    assert (duplicate.args, duplicate.kwargs) == ((1,), {"b": 2})
    assert duplicate.owner == "first"
    assert 5 < (duplicate.remaining or 0) <= 15
    assert not duplicate.queued
