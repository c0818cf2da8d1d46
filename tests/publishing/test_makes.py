"""However and whenever a task is made, what is published of it is guarded."""

from typing import Any

import celery
import pytest
from celery import Celery, Task, shared_task

from tests.inprocess import make_app
from tests.published_calls import ONE, holder, is_duplicate, record_at, task_of
from unique_task import MemoryBackend, UniqueCeleryTask, unique

pytest_plugins = "tests.inprocess_fixtures"


def work(item=1): ...


def bound(self, item=1):
    """A task that gets itself."""


class Base(Task):
    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        return super().apply_async(*args, **options)


class ByName(Task):
    """Does not ask its parent class."""

    abstract = True

    def apply_async(self, *given: Any, **options: Any) -> Any:
        return self.app.send_task(self.name, *given, **options)


class Unbound(Task):
    """Has a hook of Celery's own, and does not call that."""

    abstract = True

    @classmethod
    def on_bound(cls, app: Any) -> None: ...


class ClassBased(Task):
    name = "class based"

    @ONE
    def run(self, item: int = 1) -> None: ...


class OneAtATime(UniqueCeleryTask):
    abstract = True
    unique_options = {"lock": "until_executed"}


MAKERS = {
    "guard below": lambda app: app.task(ONE(work)),
    "guard above": lambda app: ONE(app.task(work)),
    "guard below, lazy=False": lambda app: app.task(lazy=False)(ONE(work)),
    "guard above, lazy=False": lambda app: ONE(app.task(lazy=False)(work)),
    "guard above what is made": lambda app: ONE(evaluated(app.task(work))),
    "bound, guard below": lambda app: app.task(bind=True)(ONE(bound)),
    "bound, guard above": lambda app: ONE(app.task(bind=True)(bound)),
    "shared, guard below": lambda app: shared_task(ONE(work)),
    "shared, guard above": lambda app: ONE(shared_task(work)),
    "autoretry": lambda app: app.task(autoretry_for=(KeyError,))(ONE(work)),
    "base class": lambda app: app.task(base=Base)(ONE(work)),
    "base class, guard above": lambda app: ONE(app.task(base=Base)(work)),
    "base class that sends by name": lambda app: app.task(base=ByName)(ONE(work)),
    "base class with on_bound": lambda app: app.task(base=Unbound)(ONE(work)),
    "UniqueCeleryTask": lambda app: app.task(base=OneAtATime)(work),
    "UniqueCeleryTask, bound": lambda app: app.task(base=OneAtATime, bind=True)(bound),
    "class": lambda app: app.register_task(ClassBased()),
    "without a check of arguments": lambda app: app.task(typing=False)(ONE(work)),
}


def evaluated(task: Any) -> Any:
    assert task.name
    return task


@pytest.fixture(autouse=True)
def unmarked(monkeypatch):
    """Functions that "guard above" leaves as it found them."""
    for function in (work, bound):
        for name in list(vars(function)):
            delattr(function, name)
    yield
    for function in (work, bound):
        vars(function).clear()


@pytest.fixture(params=[False, True], ids=["lazy app", "finalized app"])
def any_app(request, app):
    """An app as it is in a producer, which may never finalize it, or in a worker."""
    if request.param:
        app.finalize()
    return app


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_is_published_is_guarded(any_app, sent, make):
    task = make(any_app)

    first = task.delay(1)

    assert is_duplicate(task.delay(item=1), of=first)
    assert not task.delay(2).duplicate
    assert len(sent) == 2
    assert record_at(any_app, sent[0].lock["key"]).owner == first.id


def test_an_app_that_nothing_finalizes_guards_what_it_publishes(app):
    task = task_of(app)
    first = task.delay()

    assert is_duplicate(task.delay(), of=first)
    assert not app.finalized


def test_a_check_of_the_arguments_comes_before_the_lock(app, sent):
    task = task_of(app)

    with pytest.raises(TypeError, match="unexpected keyword"):
        task.delay(colour="red")

    assert not sent
    assert holder(task) is None


def test_copies_of_a_shared_task_take_the_locks_of_their_apps(own_shared_tasks, sent):
    stores = MemoryBackend(), MemoryBackend()
    with (
        make_app(unique_backend=stores[0]) as one,
        make_app(unique_backend=stores[1]) as two,
    ):
        shared_task(name="shared")(ONE(work))
        copies = [app.tasks["shared"] for app in (one, two)]
        firsts = [copy.delay() for copy in copies]

        for copy, first in zip(copies, firsts):
            assert is_duplicate(copy.delay(), of=first)
    assert sent.ids == [first.id for first in firsts]


def test_an_app_made_after_a_shared_task_guards_its_copy(own_shared_tasks):
    shared_task(name="shared")(ONE(work))

    with make_app() as app:
        first = app.tasks["shared"].delay()

        assert is_duplicate(app.send_task("shared"), of=first)


def test_a_class_of_apps_may_send_in_its_own_way(own_shared_tasks, sent):
    seen = []

    class Mine(Celery):
        def send_task(self, name: str, *args: Any, **options: Any) -> Any:
            seen.append((name, "task_type" in options))
            return super().send_task(name, *args, **options)

    store = MemoryBackend()
    with Mine("mine", broker="memory://") as app:
        app.conf.update(unique_backend=store, task_default_queue="mine")
        task: Any = app.task(name="work")(ONE(work))
        first = task.delay()

        assert is_duplicate(task.delay(), of=first)
        assert is_duplicate(app.send_task("work"), of=first)
    assert seen == [("work", True), ("work", True), ("work", False)]
    assert sent.ids == [first.id]


def test_a_class_of_apps_that_sends_elsewhere_is_left_alone(own_shared_tasks):
    class Recorder(Celery):
        def send_task(self, name: str, *args: Any, **options: Any) -> Any:
            return name

    with Recorder("recorder", broker="memory://") as app:
        task: Any = app.task(name="work")(ONE(work))

        assert task.delay() == "work"


def test_the_base_classes_key_and_expiry_are_those_of_the_class(app):
    class Mine(OneAtATime):
        abstract = True
        LOCK_EXPIRE = 50

        def generate_lock_id(self, item: int = 1) -> str:
            return f"half-{item // 2}"

    task = app.task(base=Mine)(work)
    first = task.delay(2)

    assert is_duplicate(task.delay(3), of=first)
    held = app.conf.unique_backend.get(task.__unique__.spec.digest(task, (2,), {}))
    assert 40 < held.remaining <= 50


def test_a_pydantic_task_is_the_same_with_a_model_and_with_its_fields(app, sent):
    if not hasattr(Task, "_dump_pydantic_arguments"):
        pytest.skip(f"Celery {celery.__version__} does not send models")
    from pydantic import BaseModel

    class Order(BaseModel):
        number: int
        note: str = ""

    def charge(order: Order) -> None: ...

    charge.__annotations__["order"] = Order
    for key in (None, "{order}", lambda order: [order.number, order.note]):
        task = app.task(pydantic=True, name=f"by-{len(sent)}")(
            unique(lock="until_executed", key=key)(charge)
        )
        first = task.delay(Order(number=1))

        assert is_duplicate(task.delay({"number": 1}), of=first)
        assert is_duplicate(task.delay(order={"number": "1", "note": ""}), of=first)
        assert not task.delay(Order(number=2)).duplicate


def test_a_task_keeps_its_signature_and_may_be_called_with_nothing(app):
    task = task_of(app)

    assert task.delay().duplicate is False
    assert holder(task) is not None
    assert task.apply_async(args=None, kwargs=None).duplicate
