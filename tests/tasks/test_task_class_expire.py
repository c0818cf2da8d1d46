"""How long the lock of a ``UniqueCeleryTask`` stands when nothing renews it."""

from datetime import timedelta

import pytest

from unique_task import ConfigurationError, UniqueCeleryTask, current_lock

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def expire_of(app):
    """Return how long the lock of a task stands that nothing renews."""
    app.conf.unique_renew = False

    def expire_of(**options):
        @app.task(**{"base": UniqueCeleryTask, **options})
        def process_data():
            return current_lock().remaining()

        return pytest.approx(process_data(), abs=5)

    return expire_of


@pytest.mark.parametrize(
    ("options", "expire"),
    [
        ({}, 600),
        ({"LOCK_EXPIRE": 60}, 60),
        ({"custom_lock_expire": 30}, 30),
        ({"custom_lock_expire": timedelta(minutes=2)}, 120),
        ({"LOCK_EXPIRE": 60, "custom_lock_expire": 30}, 30),
        ({"LOCK_EXPIRE": 60, "custom_lock_expire": None}, 60),
    ],
)
def test_the_task_says_how_long_a_lock_stands(expire_of, options, expire):
    assert expire_of(**options) == expire


def test_the_class_says_how_long_a_lock_stands(expire_of):
    class Short(UniqueCeleryTask):
        LOCK_EXPIRE = 50

    class Shorter(Short):
        custom_lock_expire = 40

    assert expire_of(base=Short, name="short") == 50
    assert expire_of(base=Shorter, name="shorter") == 40


def test_the_expiry_may_be_set_on_the_task_later(app):
    app.conf.unique_renew = False

    @app.task(base=UniqueCeleryTask)
    def process_data():
        return current_lock().remaining()

    process_data.custom_lock_expire = 20

    assert process_data() == pytest.approx(20, abs=5)


@pytest.mark.parametrize("name", ["LOCK_EXPIRE", "custom_lock_expire"])
def test_an_expiry_that_makes_no_sense_is_refused_by_its_name(expire_of, name):
    with pytest.raises(ConfigurationError, match=f"{name}=0"):
        expire_of(**{name: 0})
