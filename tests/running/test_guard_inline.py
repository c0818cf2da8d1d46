"""Guarded calls inside of guarded bodies, and whose request they are about."""

import pytest

from tests.inprocess import value_of
from unique_task import DuplicateTaskError, current_lock, skip, unique

pytest_plugins = "tests.inprocess_fixtures"


def direct(task, *args):
    return task(*args)


def eager(task, *args):
    return task.apply(args, throw=True).get()


def queued(task, *args):
    return value_of(task.delay(*args))


@pytest.fixture(params=[direct, eager, queued])
def call(request):
    """Each way to run the outer body."""
    return request.param


INLINE = {
    "self(...)": lambda task, *args: task(*args),
    "self.run(...)": lambda task, *args: task.run(*args),
    "self.apply(...)": lambda task, *args: task.apply(args, throw=True).result,
}


@pytest.fixture(params=INLINE.values(), ids=list(INLINE))
def inline(request):
    """Each way for a body to run a task in its own thread."""
    return request.param


def test_recursion_of_one_key_does_not_lock_itself_out(worker_app, call, inline):
    @worker_app.task(bind=True)
    @unique(key=(), on_duplicate="raise")
    def count(self, number):
        return [number] + (inline(self, number - 1) if number else [])

    assert call(count, 3) == [3, 2, 1, 0]


def test_recursion_of_a_task_without_self_does_not_lock_itself_out(
    worker_app, call, inline
):
    @worker_app.task
    @unique(key=(), on_duplicate="raise")
    def count(number):
        task = worker_app.tasks[count.name]
        return [number] + (inline(task, number - 1) if number else [])

    assert call(count, 3) == [3, 2, 1, 0]


def test_a_task_of_the_same_namespace_runs_inside(worker_app, call, inline):
    @worker_app.task
    @unique(key="{account}", namespace="account", on_duplicate="raise")
    def inner(account):
        return "inner"

    @worker_app.task
    @unique(key="{number}", namespace="account", on_duplicate="raise")
    def outer(number):
        return inline(inner, number)

    assert call(outer, 1) == "inner"


def test_the_key_is_held_until_the_outermost_body_ends(worker_app, call, gate, inline):
    @worker_app.task(bind=True)
    @unique(key=(), on_duplicate="raise")
    def work(self, again):
        if again:
            inline(self, False)
            gate.hold()

    with gate.holding(call, work, True):
        with pytest.raises(DuplicateTaskError):
            work(False)


def test_a_body_inside_has_its_own_lock_and_then_the_outer_one(
    worker_app, call, inline
):
    @worker_app.task(bind=True)
    @unique
    def work(self, depth):
        before = current_lock().key
        deeper = inline(self, depth - 1) if depth else []
        assert current_lock().key == before
        return [before, *deeper]

    assert len(set(call(work, 2))) == 3


def test_a_lock_of_a_body_inside_ends_with_that_body(worker_app, call, inline):
    store = worker_app.conf.unique_backend

    @worker_app.task
    @unique
    def inner():
        return current_lock().key

    @worker_app.task
    @unique
    def outer():
        return store.get(inline(inner)) is None

    assert call(outer) is True


def test_a_body_inside_meets_the_locks_of_others(worker_app, call, gate, inline):
    @worker_app.task
    @unique(on_duplicate=skip("turned away"))
    def inner():
        gate.hold()

    @worker_app.task
    @unique
    def outer():
        return inline(inner)

    with gate.holding(inner):
        assert call(outer) == "turned away"


@pytest.mark.parametrize("name", ["self(...)", "self.run(...)"])
def test_a_duplicate_called_inside_is_no_error_of_the_outer_task(
    worker_app, call, gate, name
):
    @worker_app.task(bind=True)
    @unique(key="{item}")
    def work(self, item):
        if item == "held":
            gate.hold()
        return ["outer", INLINE[name](self, "held")] if item == "outer" else item

    with gate.holding(work, "held"):
        assert call(work, "outer") == ["outer", None]


@pytest.mark.parametrize("name", ["self(...)", "self.run(...)"])
def test_a_duplicate_called_inside_has_no_queue_to_go_back_to(
    worker_app, call, gate, name
):
    @worker_app.task(bind=True)
    @unique(key="{item}", on_duplicate="retry")
    def work(self, item):
        if item == "held":
            gate.hold()
            return None
        with pytest.raises(DuplicateTaskError):
            INLINE[name](self, "held")
        return "outer"

    with gate.holding(work, "held"):
        assert call(work, "outer") == "outer"


@pytest.mark.parametrize("name", ["self(...)", "self.run(...)"])
def test_with_late_acknowledgement_a_lock_taken_inside_ends_there(worker_app, name):
    store = worker_app.conf.unique_backend

    @worker_app.task(bind=True, acks_late=True)
    @unique
    def work(self, inside=False):
        if inside:
            return current_lock().key
        return store.get(INLINE[name](self, True)) is None

    assert value_of(work.delay()) is True


@pytest.mark.parametrize("bind", [False, True])
def test_run_called_by_another_task_is_a_direct_call(worker_app, call, bind):
    def body(*self):
        return current_lock().owner

    inner = worker_app.task(unique(body), bind=bind, name="inner")

    @worker_app.task(bind=True)
    @unique
    def outer(self):
        return [inner.run(), current_lock().owner, self.request.id]

    inside, owner, task_id = call(outer)

    assert inside and inside != owner
    assert task_id in (owner, None)


def test_a_duplicate_run_by_another_task_is_no_error_of_that_task(
    worker_app, call, gate
):
    @worker_app.task
    @unique
    def inner():
        gate.hold()

    @worker_app.task
    def outer():
        return ["outer", inner.run(), inner()]

    with gate.holding(inner):
        assert call(outer) == ["outer", None, None]


def test_an_eager_call_inside_has_its_own_id(worker_app, call):
    @worker_app.task(bind=True)
    @unique
    def work(self, depth):
        owner = current_lock().owner
        return [owner, self.apply((0,)).result] if depth else owner

    outer, inner = call(work, 1)

    assert outer != inner


def test_the_callers_own_task_id_is_the_owner(worker_app, gate):
    @worker_app.task
    @unique(on_duplicate="raise")
    def work():
        gate.hold()
        return current_lock().owner

    first = work.apply_async(task_id="our/own id")
    gate.wait_for_arrival()
    second = work.apply_async(task_id="another")
    with pytest.raises(DuplicateTaskError) as caught:
        value_of(second)
    gate.open()

    assert caught.value.owner == "our/own id"
    assert value_of(first) == "our/own id"
