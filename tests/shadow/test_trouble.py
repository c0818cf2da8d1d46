"""What goes wrong in shadow mode: it is logged, and reaches no caller and no body."""

import logging
import re
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from tests.clock import Clock
from tests.published_calls import ForOne, task_of
from unique_task import LockStoreError, MemoryBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.backends.shadow import ShadowBackend
from unique_task.backends.steps import Renewal, Renewed

pytest_plugins = "tests.inprocess_fixtures"


class Away(MemoryBackend):
    """A store that does not answer until the test lets it."""

    away = True
    asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise ConnectionError("no route to the store")

    driver_errors = (ConnectionError,)

    def _acquire(self, wanted: Any) -> Any:
        self._ask()
        return super()._acquire(wanted)

    def _reserve(self, wanted: Any) -> Any:
        self._ask()
        return super()._reserve(wanted)

    def _renew(self, renewals: Any) -> Any:
        self._ask()
        return super()._renew(renewals)

    def _release(self, release: Any) -> Any:
        self._ask()
        return super()._release(release)


def no_key(item, note):
    raise ValueError("no key for you")


#: Options of a task that fail the call, and what is logged of it.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "key": ({"key": no_key}, "UniqueKeyError: .*no key for you"),
    "limit": ({"limit": lambda item, note: 0}, "UniqueLimitError: .*returned 0"),
    "store": ({"limit": 2, "backend": ForOne()}, "ConfigurationError: .*one holder"),
}


@pytest.fixture
def store(app):
    """A store that answers again at the end: locks wait for their release."""
    store = app.conf.unique_backend = Away()
    yield store
    store.away = False


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [each for each in caplog.records if each.name.startswith("unique_task")]
    return [each.getMessage() for each in ours if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_call_that_would_fail_runs_and_is_logged_once(app, sent, caplog, lock, wrong):
    options, message = WRONG[wrong]

    @app.task
    @unique(lock=lock, **options)
    def work(item=1, note=""):
        return "ran"

    assert [work(), work(), work.apply().get()] == ["ran"] * 3
    results = [work.delay(), work.delay()]
    assert [result.id for result in results] == sent.ids

    [warning] = warnings(caplog)
    assert work.name in warning
    assert re.search(message, warning)


def test_a_wrong_option_of_a_call_is_logged_and_the_call_is_sent(app, sent, caplog):
    work = task_of(app)

    work.apply_async(unique={"expire": -1})
    work.apply(unique={"expire": -1})

    assert len(sent) == 1
    [warning] = warnings(caplog)
    assert "expire=-1" in warning


def test_an_error_of_the_body_is_its_own(app):
    @app.task
    @unique
    def work():
        raise ValueError("of the body")

    with pytest.raises(ValueError, match="of the body"):
        work()


def test_a_soft_time_limit_is_for_the_task(app):
    class Broken(MemoryBackend):
        def _acquire(self, wanted: Any) -> Any:
            raise SoftTimeLimitExceeded

    work = task_of(app, unique(backend=Broken()))

    with pytest.raises(SoftTimeLimitExceeded):
        work()


def test_where_no_store_answers_all_calls_run_and_one_line_is_logged(
    app, store, sent, counted, caplog
):
    @app.task
    @unique(lock="until_executed")
    def work():
        return "ran"

    assert [work(), work(), work.apply().get()] == ["ran"] * 3
    results = [work.delay(), work.delay()]

    assert [result.id for result in results] == sent.ids
    assert store.asked == 1
    [warning] = warnings(caplog)
    assert "(shadow): no route to the store" in warning
    assert counted == []


def test_a_message_keeps_the_options_of_its_call_where_no_store_answers(
    app, store, sent
):
    work = task_of(app)

    work.apply_async(unique_key="mine", unique={"limit": 2})

    assert sent.last.lock["own_key"]
    assert sent.last.lock["unique"] == {"limit": 2}


def test_a_store_that_fails_while_a_body_runs_takes_nothing_from_it(app, store, caplog):
    store.away = False

    @app.task
    @unique
    def work():
        store.away = True
        return "ran"

    assert work() == "ran"
    assert work() == "ran"
    assert len(warnings(caplog)) == 1


def test_a_store_that_answers_again_counts_again(app, store, gate, counted, caplog):
    clock = Clock()
    vars(store)["_shadow"] = ShadowBackend(store, clock)

    @app.task
    @unique
    def work():
        gate.hold()

    gate.open()
    work()
    store.away = False
    clock.now += 10
    with gate.holding(work), gate.holding(work):
        pass

    assert counted == [("ignore", "call")]
    assert any(text.endswith("(shadow) answers again") for text in caplog.messages)


def test_a_store_that_stays_away_is_asked_less_and_less_often():
    store, clock = Away(), Clock()
    backend = ShadowBackend(store, clock)

    asked = []
    for second in range(200):
        clock.now = 1000.0 + second
        before = store.asked
        with pytest.raises(LockStoreError):
            backend.acquire("key", Record(Token.of_attempt("mine")), 10)
        if store.asked > before:
            asked.append(second)

    assert asked == [0, 5, 15, 35, 75, 135, 195]


def test_no_lease_is_lost_where_no_store_answers():
    backend = ShadowBackend(Away())
    renewal = Renewal("key", Record(Token.of_attempt("mine")), None, 10, 0)

    assert backend.renew([renewal] * 2) == [Renewed.HELD] * 2
