import pickle

import pytest
from celery import Celery, states
from celery.exceptions import ImproperlyConfigured
from kombu.utils.uuid import uuid

import unique_task
from unique_task import (
    ConfigurationError,
    DuplicateTaskError,
    LockRecordError,
    LockStoreError,
    LockStoreRefusedError,
    UniqueError,
    UniqueKeyError,
    UniqueLimitError,
)

KEY = "0123456789abcdef0123456789abcdef"

ERRORS = [
    DuplicateTaskError(KEY, "task-1", 12.5),
    DuplicateTaskError(KEY),
    DuplicateTaskError(KEY, "hold-1", 12.5, "held by ann: migration"),
    LockStoreError("redis://localhost/0: no answer"),
    LockStoreRefusedError("redis://localhost/0: wrong password"),
    LockRecordError("written by version 9"),
    UniqueKeyError("parameter 'a' cannot be part of a key"),
    UniqueLimitError("limit callable max returned 0"),
    ConfigurationError("expire=0"),
    UniqueError("something"),
]

every_error = pytest.mark.parametrize(
    "error", ERRORS, ids=lambda error: type(error).__name__
)


def assert_same(error: BaseException, other: BaseException) -> None:
    assert type(other) is type(error)
    assert other.args == error.args
    assert vars(other) == vars(error)
    assert str(other) == str(error)


def test_every_error_of_the_library_is_tested_here():
    names = {name for name in unique_task.__all__ if name.endswith("Error")}

    assert {type(error).__name__ for error in ERRORS} == names


@every_error
def test_an_error_is_a_unique_error(error):
    assert isinstance(error, UniqueError)


@every_error
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_comes_whole_through_pickle(error, protocol):
    assert_same(error, pickle.loads(pickle.dumps(error, protocol)))


@every_error
@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_an_error_comes_whole_through_a_result_backend(error, serializer):
    app = Celery(backend="cache+memory://", set_as_current=False)
    app.conf.update(result_serializer=serializer, result_accept_content=[serializer])
    task_id = uuid()

    app.backend.store_result(task_id, error, states.FAILURE)

    assert_same(error, app.AsyncResult(task_id).result)


def test_a_duplicate_task_error_tells_key_owner_and_remaining_time():
    error = DuplicateTaskError(KEY, "task-1", 12.54)

    assert (error.key, error.owner, error.remaining) == (KEY, "task-1", 12.54)
    assert str(error) == (
        f"duplicate of task task-1, which holds key {KEY}; "
        "it stands for 12.5 s unless renewed"
    )


def test_a_duplicate_task_error_is_readable_where_the_store_does_not_tell():
    error = DuplicateTaskError(KEY)

    assert str(error) == f"duplicate of task unknown, which holds key {KEY}"


def test_a_duplicate_task_error_names_the_operator_who_holds_the_lock():
    error = DuplicateTaskError(KEY, "hold-1", 12.54, "held by ann: migration")

    assert error.hold == "held by ann: migration"
    assert str(error) == f"held by ann: migration; key {KEY}; it stands for 12.5 s"


def test_an_older_version_reads_a_duplicate_task_error_that_names_no_operator():
    assert DuplicateTaskError(KEY, "task-1", 12.5).args == (KEY, "task-1", 12.5)


def test_a_lock_that_has_run_out_has_a_remaining_time_of_zero():
    assert "it stands for 0.0 s" in str(DuplicateTaskError(KEY, "task-1", 0))


@pytest.mark.parametrize(
    "error, base",
    [
        (LockRecordError, LockStoreError),
        (UniqueKeyError, ValueError),
        (UniqueLimitError, ValueError),
        # Celery shows it to the user where it loads an app.
        (ConfigurationError, ImproperlyConfigured),
    ],
)
def test_an_error_is_caught_by_whoever_expects_its_kind(error, base):
    assert issubclass(error, base)
