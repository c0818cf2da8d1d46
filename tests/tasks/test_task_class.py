"""``UniqueCeleryTask``: a guard by base class."""

import pytest

from tests.inprocess import value_of
from unique_task import (
    ConfigurationError,
    DuplicateTaskError,
    UniqueCeleryTask,
    UniqueKeyError,
    skip,
    unique,
)

pytest_plugins = "tests.inprocess_fixtures"


class Skipping(UniqueCeleryTask):
    unique_options = {"on_duplicate": skip("turned away")}


def test_a_task_with_the_base_class_is_guarded(worker_app, gate):
    @worker_app.task(base=UniqueCeleryTask)
    def process_data(data_id):
        gate.hold()
        return data_id

    first = process_data.delay(1)
    gate.wait_for_arrival()
    other = process_data.delay(2)
    gate.wait_for_arrival()

    assert process_data(data_id=1) is None

    gate.open()
    assert [value_of(first), value_of(other)] == [1, 2]
    assert value_of(process_data.delay(1)) == 1


def test_a_queued_duplicate_gets_what_the_policy_says(worker_app, gate):
    @worker_app.task(base=Skipping, acks_late=True)
    def process_data(data_id):
        gate.hold()

    with gate.holding(process_data, 1):
        assert value_of(process_data.delay(1)) == "turned away"


@pytest.mark.parametrize("finalized", [False, True])
def test_a_task_is_guarded_whenever_it_is_made(app, gate, finalized):
    if finalized:
        app.finalize()

    @app.task(base=Skipping)
    def process_data(data_id):
        gate.hold()

    with gate.holding(process_data, 1):
        assert process_data(1) == "turned away"


def test_the_app_may_have_it_for_all_its_tasks(app, gate):
    app.task_cls = Skipping

    @app.task
    def process_data(data_id):
        gate.hold()

    with gate.holding(process_data, 1):
        assert process_data(1) == "turned away"


def test_the_arguments_are_checked_as_without_it(app):
    @app.task(base=UniqueCeleryTask)
    def process_data(data_id):
        """Process."""

    assert process_data.__doc__ == "Process."
    assert process_data.run.__name__ == "process_data"
    with pytest.raises(TypeError):
        process_data.delay()


def test_a_bound_task_is_guarded_and_self_is_no_part_of_the_key(app, gate):
    @app.task(base=Skipping, bind=True)
    def process_data(self, data_id):
        assert isinstance(self, UniqueCeleryTask)
        gate.hold()

    with gate.holding(process_data, 1):
        assert process_data(1) == "turned away"


def test_an_option_may_come_with_the_task(app, gate):
    @app.task(base=UniqueCeleryTask, unique_options={"on_duplicate": "raise"})
    def process_data(data_id):
        gate.hold()

    with gate.holding(process_data, 1), pytest.raises(DuplicateTaskError):
        process_data(1)


def test_a_key_and_a_namespace_may_be_options(app, gate):
    class Accounts(UniqueCeleryTask):
        unique_options = {
            "key": "{account}",
            "namespace": "accounts",
            "on_duplicate": skip("turned away"),
        }

    @app.task(base=Accounts)
    def pay(account, amount):
        gate.hold()

    @app.task(base=Accounts)
    def close(account):
        gate.hold()

    with gate.holding(pay, 1, amount=2):
        assert close(1) == "turned away"


def test_an_unknown_option_is_refused_with_those_there_are(app):
    with pytest.raises(
        ConfigurationError, match="'colour' is no option; known are key, .*backend"
    ):

        @app.task(base=UniqueCeleryTask, unique_options={"colour": 1}, lazy=False)
        def process_data(data_id):
            raise AssertionError


def test_expire_is_no_option(app):
    with pytest.raises(ConfigurationError, match="LOCK_EXPIRE or custom_lock_expire"):

        @app.task(base=UniqueCeleryTask, unique_options={"expire": 1}, lazy=False)
        def process_data(data_id):
            raise AssertionError


def test_an_overridden_id_makes_the_key_of_the_arguments_with_defaults(app, gate):
    seen = []

    class ByTenant(Skipping):
        def generate_lock_id(self, *args, **kwargs):
            seen.append((args, kwargs))
            return f"tenant-{args[0]}"

    @app.task(base=ByTenant)
    def process_data(tenant, item, limit=10, *, dry=False):
        gate.hold()

    with gate.holding(process_data, "a", item=1):
        assert process_data(tenant="a", item=2, limit=3) == "turned away"
        with gate.holding(process_data, "b", 1):
            pass

    assert seen[:2] == [(("a", 1, 10), {"dry": False}), (("a", 2, 3), {"dry": False})]


def test_an_overridden_id_may_build_on_the_default(app, gate):
    class ByDay(Skipping):
        day = "monday"

        def generate_lock_id(self, *args, **kwargs):
            return [super().generate_lock_id(*args, **kwargs), self.day]

    @app.task(base=ByDay)
    def process_data(data_id):
        gate.hold()

    with gate.holding(process_data, 1):
        assert process_data(1) == "turned away"
        process_data.day = "tuesday"
        with gate.holding(process_data, 1):
            pass


def test_none_is_no_id(app):
    class Forgetful(UniqueCeleryTask):
        def generate_lock_id(self, *args, **kwargs):
            return None

    @app.task(base=Forgetful)
    def process_data(data_id):
        raise AssertionError("ran without a key")

    with pytest.raises(UniqueKeyError, match="process_data: .* returned None"):
        process_data(1)


BOTH = {
    "below": lambda task, f: task(unique(f)),
    "above": lambda task, f: unique(task(f)),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("decorate", BOTH.values(), ids=BOTH)
def test_both_forms_at_once_are_refused(app, decorate, lazy):
    def process_data(data_id):
        raise AssertionError

    with pytest.raises(ConfigurationError, match="has @unique"):
        decorate(app.task(base=UniqueCeleryTask, lazy=lazy), process_data)
        app.finalize()
