"""``UniqueCeleryTask.release_lock``: a lock freed before its body ends."""

import pytest

from tests.inprocess import Gate
from unique_task import UniqueCeleryTask, lock_lost, skip

pytest_plugins = "tests.inprocess_fixtures"


class ByItem(UniqueCeleryTask):
    unique_options = {"on_duplicate": skip("turned away")}

    def generate_lock_id(self, item, free, gate):
        return f"item-{item}"


@pytest.fixture
def work(app):
    """A task that frees locks, then waits at a gate, and tells which it freed."""

    @app.task(base=ByItem, bind=True)
    def work(self, item, free=(), gate=None):
        freed = [self.release_lock(f"item-{other}") for other in free]
        if gate is not None:
            gate.hold()
        return freed

    return work


def test_an_equal_call_runs_once_the_lock_is_freed(work, gate):
    with gate.holding(work, 1, free=[1], gate=gate) as first:
        assert work(1) == []

    assert first.result() == [True]


def test_a_lock_is_freed_once(work):
    assert work(1, free=[1, 1]) == [True, False]


def test_the_lock_of_another_call_is_left_alone(work, gate):
    with gate.holding(work, 1, gate=gate):
        assert work(2, free=[1]) == [False]
        assert work(1) == "turned away"


def test_a_call_from_outside_of_a_body_frees_nothing(work, gate):
    with gate.holding(work, 1, gate=gate):
        assert work.release_lock("item-1") is False
        assert work(1) == "turned away"


def test_the_first_ends_and_leaves_the_lock_to_the_second(work, gate):
    later = Gate()

    with gate.holding(work, 1, free=[1], gate=gate) as first:
        with later.holding(work, 1, gate=later):
            gate.open()
            assert first.result() == [True]

            assert work(1) == "turned away"


def test_the_first_cannot_free_the_lock_of_the_second(app, gate):
    later = Gate()

    @app.task(base=ByItem, bind=True)
    def work(self, item, free=(), gate=None):
        if gate is later:
            later.hold()
            return None
        self.release_lock("item-1")
        with later.holding(work, 1, gate=later):
            return [self.release_lock("item-1"), work.run(1, gate=later)]

    assert work(1) == [False, "turned away"]


def test_freeing_a_lock_early_is_no_loss_of_it(work):
    lost = []

    def note(**_):
        lost.append(True)

    lock_lost.connect(note)

    work(1, free=[1])

    assert not lost


def test_switched_off_there_is_nothing_to_free(app, work):
    app.conf.unique_enabled = False

    assert work(1, free=[1]) == [False]
