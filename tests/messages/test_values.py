import datetime
import logging
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery, Task
from celery.result import AsyncResult
from kombu.exceptions import ContentDisallowed
from kombu.utils.uuid import uuid

from unique_task.messages.values import UNREADABLE, decode_value, encode_value


def task_of(app: Celery, name: str = "report") -> Task:
    def body():
        raise AssertionError

    return app.task(shared=False, lazy=False, name=name)(body)


def make_app(**conf: Any) -> Celery:
    app = Celery(backend="cache+memory://", set_as_current=False)
    app.conf.update(conf)
    return app


PICKLE = {"result_serializer": "pickle", "accept_content": ["json", "pickle"]}

NOW = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def through(app: Celery, value: Any) -> Any:
    task = task_of(app)
    encoded = encode_value(task, value)
    assert encoded is not None
    return decode_value(task, encoded)


@pytest.mark.parametrize(
    "value",
    [
        *(None, 0, "", "a\nb é \ud800", [], {}, False, 1.5, float("inf")),
        *(NOW, NOW.date(), Decimal("1.10"), b"\xff\n", {"a": [1, {"b": None}]}),
    ],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(value):
    assert through(make_app(), value) == value


def test_a_tuple_comes_back_as_a_list():
    assert through(make_app(), (1, (2,))) == [1, [2]]


@pytest.mark.parametrize("conf", [{}, PICKLE], ids=["json", "pickle"])
@pytest.mark.parametrize(
    "value",
    [None, (1, 2), {1: (2,)}, NOW, AsyncResult("task-1", app=make_app())],
    ids=repr,
)
def test_a_duplicate_gets_what_the_result_backend_gives_to_others(value, conf):
    app = make_app(**conf)
    task_id = uuid()
    app.backend.store_result(task_id, value, "SUCCESS")

    assert through(app, value) == app.AsyncResult(task_id).result


@pytest.mark.parametrize(
    "value", [object(), {"a": {1}}, {(1, 2): 3}, lambda: None], ids=type
)
def test_a_value_that_cannot_be_encoded_is_not_cached_and_the_log_says_so(
    value, caplog
):
    assert encode_value(task_of(make_app()), value) is None

    ((name, level, message),) = caplog.record_tuples
    assert (name, level) == ("unique_task.messages.values", logging.WARNING)
    assert message.startswith("a value is not cached, json cannot encode it: ")


def test_a_value_without_end_is_not_cached(caplog):
    value: list[Any] = []
    value.append(value)

    assert encode_value(task_of(make_app()), value) is None

    assert "json cannot encode it" in caplog.text


def test_what_json_cannot_encode_pickle_may():
    assert through(make_app(**PICKLE), {"a": {1, 2}}) == {"a": {1, 2}}


def test_pickle_is_not_used_unless_the_app_accepts_it(caplog):
    app = make_app(result_serializer="pickle")

    assert encode_value(task_of(app), 1) is None

    assert caplog.messages == [
        "a value is not cached: result_serializer='pickle', "
        "but accept_content lacks application/x-python-serialize"
    ]


def test_what_results_may_be_is_what_values_may_be():
    app = make_app(result_serializer="pickle", result_accept_content=["pickle"])

    assert through(app, {1}) == {1}


def test_pickle_in_the_store_is_refused_by_an_app_that_does_not_accept_it():
    stored = encode_value(task_of(make_app(**PICKLE)), 1)
    assert stored is not None

    with pytest.raises(ContentDisallowed):
        decode_value(task_of(make_app()), stored)


def test_what_the_store_says_of_its_content_is_not_trusted():
    with pytest.raises(ContentDisallowed):
        decode_value(task_of(make_app()), b"application/x-evil utf-8 report\n1")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"garbage", b"\n", b"\xff\xfe \n1", b"a b c\n1"),
        *(b"application/json utf-8\n1", b"application/json utf-8 report\n{"),
        b"application/json utf-8 report\n\xff",
        b'application/json utf-8 report\n{"__type__": "new", "__value__": 1}',
    ],
)
def test_a_value_that_cannot_be_read_is_told_as_unreadable(data):
    with pytest.raises(UNREADABLE):
        decode_value(task_of(make_app()), data)


def test_a_value_of_another_task_with_the_same_namespace_is_of_no_use():
    app = make_app()
    stored = encode_value(task_of(app, "book"), "booked")
    assert stored is not None

    with pytest.raises(UNREADABLE, match="a value of book"):
        decode_value(task_of(app, "close"), stored)
