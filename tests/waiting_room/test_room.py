"""Which waiting call of a worker starts next: the rules of the room, one by one."""

from collections.abc import Iterable
from itertools import count

import pytest

from unique_task.messages.waits_for import WaitsFor
from unique_task.waiting.line import Neighbour, Waiting
from unique_task.waiting.next_steps import Asks, Frees
from unique_task.waiting.room import Room

NOW = 1000.0
HERE, THERE = "here", "there"

since = count()


class Worker:
    """A room, and the tasks that run in its worker."""

    def __init__(self, *running: str) -> None:
        self.running = set(running)
        self.room = Room(HERE, self.running.__contains__)

    def enter(self, *tasks: str, holders: Iterable[tuple[str, str]] = (), **more):
        """Let calls wait that were refused by these holders; return the last one."""
        for task in tasks:
            waits_for = WaitsFor("key", tuple(holders), **more)
            waiting = Waiting(None, task, waits_for, next(since), 1.0, NOW + 100)
            following = self.room.enter(waiting)
        return waiting, following

    def end(self, task: str, **how):
        self.running.discard(task)
        _, waiting = self.room.holders.get(task, (None, None))
        return self.room.ended(task, waiting, **how)

    def start(self, following) -> list[str]:
        """Run what is to start, and return its tasks."""
        tasks = ids(following)
        self.running.update(tasks)
        return tasks


def ids(following) -> list[str]:
    return [waiting.id for waiting in following.start]


def other(task: str) -> list[tuple[str, str]]:
    return [(task, THERE)]


def own(*tasks: str) -> list[tuple[str, str]]:
    return [(task, HERE) for task in tasks]


@pytest.fixture
def worker() -> Worker:
    """A worker that runs the task "holder"."""
    return Worker("holder")


def test_a_call_waits_for_a_holder_that_runs(worker):
    _, following = worker.enter("a", holders=own("holder"))

    assert not following


def test_the_end_of_the_holder_starts_the_call_that_waits_longest(worker):
    worker.enter("a", "b", holders=own("holder"))

    assert ids(worker.end("holder")) == ["a"]


def test_the_end_of_another_task_starts_nothing(worker):
    worker.enter("a", holders=own("holder"))

    assert not worker.end("other")


def test_the_end_of_a_started_call_starts_the_next_one(worker):
    worker.enter("a", "b", holders=own("holder"))
    worker.start(worker.end("holder"))

    assert ids(worker.end("a")) == ["b"]


def test_a_call_that_comes_back_starts_nothing(worker):
    worker.enter("a", "b", holders=own("holder"))
    worker.start(worker.end("holder"))
    worker.running.add("newcomer")

    assert not worker.end("a", back=WaitsFor("key", (("newcomer", HERE),)))


def test_the_end_of_the_newcomer_that_was_met_starts_the_next_one(worker):
    worker.enter("a", "b", holders=own("holder"))
    worker.start(worker.end("holder"))
    worker.running.add("newcomer")
    worker.end("a", back=WaitsFor("key", (("newcomer", HERE),)))

    assert ids(worker.end("newcomer")) == ["b"]


def test_a_call_starts_at_once_if_its_holder_has_ended(worker):
    _, following = worker.enter("a", holders=own("ended"))

    assert ids(following) == ["a"]


def test_a_dead_holder_starts_one_call_and_no_more():
    worker, dead = Worker(), own("dead")
    _, following = worker.enter("a", holders=dead)
    worker.start(following)

    worker.end("a", back=WaitsFor("key", tuple(dead)))
    _, again = worker.enter("a", "b", holders=dead)

    assert not again


def test_a_holder_that_was_passed_over_counts_anew_once_another_has_held_the_lock():
    worker = Worker()
    worker.start(worker.enter("a", holders=own("retried"))[1])
    worker.end("a")

    assert ids(worker.enter("b", holders=own("retried"))[1]) == ["b"]


def test_a_call_may_start_before_the_end_of_its_last_delivery_is_seen(worker):
    worker.enter("a", "b", holders=own("holder"))
    worker.start(worker.end("holder"))

    assert not worker.room.ended("a", back=WaitsFor("key"))
    assert ids(worker.end("a")) == ["b"]


def test_nothing_starts_for_an_ended_holder_while_another_call_asks(worker):
    worker.enter("a", holders=own("holder"))
    worker.start(worker.end("holder"))

    assert not worker.enter("b", holders=own("holder"))[1]


def test_all_that_share_a_value_start_when_a_run_has_succeeded(worker):
    worker.enter("a", "b", holders=own("holder"), shared=True)

    assert ids(worker.end("holder", succeeded=True)) == ["a", "b"]


def test_one_that_shares_a_value_starts_when_a_run_has_failed(worker):
    worker.enter("a", "b", holders=own("holder"), shared=True)

    assert ids(worker.end("holder")) == ["a"]


def test_of_several_holders_each_end_starts_a_call():
    worker = Worker("one", "two")
    worker.enter("a", "b", "c", holders=own("one", "two"), limit=2)

    assert worker.start(worker.end("one")) == ["a"]
    assert worker.start(worker.end("two")) == ["b"]


def test_a_call_that_has_left_does_not_start(worker):
    first, _ = worker.enter("a", holders=own("holder"))
    worker.enter("b", holders=own("holder"))
    worker.room.leave(first)

    assert ids(worker.end("holder")) == ["b"]


def test_a_call_starts_once(worker):
    waiting, _ = worker.enter("a", holders=own("holder"))
    worker.end("holder")

    assert not worker.room.look(waiting, NOW + 1)
    assert not worker.room.leave(waiting)


def test_by_its_pause_the_oldest_asks_the_store_if_no_holder_runs_here(worker):
    waiting, _ = worker.enter("a", holders=other("holder"))

    assert ids(worker.room.look(waiting, NOW + 1)) == ["a"]


def test_while_a_holder_runs_here_the_oldest_asks_the_store_after_its_patience(worker):
    waiting, _ = worker.enter("a", holders=own("holder"), patience=30)

    following = worker.room.look(waiting, NOW + 1)

    assert not following.start
    assert following.look == [(29, waiting)]
    assert ids(worker.room.look(waiting, NOW + 30)) == ["a"]


def test_the_others_do_not_ask_the_store_until_the_latest_moment(worker):
    worker.enter("a", holders=other("holder"))
    waiting, _ = worker.enter("b", holders=other("holder"))

    following = worker.room.look(waiting, NOW + 1)

    assert not following.start
    assert following.look == [(99, waiting)]
    assert ids(worker.room.look(waiting, NOW + 100)) == ["b"]


def test_the_one_that_is_the_oldest_now_asks_the_store_after_its_pause(worker):
    first, _ = worker.enter("a", holders=other("holder"))
    waiting, _ = worker.enter("b", holders=other("holder"))
    worker.room.look(waiting, NOW + 1)

    assert worker.room.leave(first).look == [(1, waiting)]


def test_as_many_ask_the_store_as_may_hold_the_lock(worker):
    waiting = [worker.enter(task, holders=other("h"), limit=2)[0] for task in "abc"]

    looks = [worker.room.look(each, NOW + 1) for each in reversed(waiting)]

    assert [ids(following) for following in looks] == [[], ["b"], ["a"]]


def test_the_worker_of_a_holder_is_asked_once(worker):
    _, first = worker.enter("a", holders=other("h"))
    _, second = worker.enter("b", holders=other("h"))

    [asks] = first.tell
    assert (asks.worker, asks.key, asks.holder) == (THERE, "key", "h")
    assert not second


def test_it_is_asked_again_by_the_next_call_that_comes_back(worker):
    worker.enter("a", "b", holders=other("h"))
    waiting = worker.room.lines["key"].oldest
    worker.start(worker.room.look(waiting, NOW + 1))

    following = worker.end("a", back=WaitsFor("key", (("h", THERE),)))

    assert [each.holder for each in following.tell] == ["h"]


def test_a_call_that_comes_back_asks_about_one_of_many_holders(worker):
    many = [(f"h{number}", THERE) for number in range(50)]
    worker.enter("a", "b", holders=many, limit=50)
    asked = []

    for task in "ab":
        waiting = worker.room.lines["key"].oldest
        worker.start(worker.room.look(waiting, NOW + 1))
        back = worker.end(task, back=WaitsFor("key", tuple(many), limit=50))
        _, entered = worker.enter(task, holders=many, limit=50)
        asked += [each.holder for each in back.tell + entered.tell]

    assert asked == ["h0", "h1"]


def test_the_end_of_one_holder_leaves_the_others_asked(worker):
    worker.enter("a", "b", holders=[("h1", THERE), ("h2", THERE)], limit=2)

    worker.start(worker.room.freed(Frees(HERE, "key", {})))
    _, following = worker.enter("c", holders=[("h2", THERE), ("h3", THERE)], limit=2)

    assert [each.holder for each in following.tell] == ["h3"]


def test_few_holders_are_remembered_that_were_asked_about(worker):
    for number in range(1000):
        worker.enter("a", holders=other(f"h{number}"))

    assert len(worker.room.lines["key"].asked) <= 100


def test_a_worker_that_asks_is_told_of_the_end(worker):
    worker.room.asked(Asks(HERE, "key", "holder", Neighbour(1.0)), THERE)

    assert worker.end("holder").tell == [Frees(THERE, "key", {}, passed=(HERE,))]


def test_a_worker_that_asks_for_what_does_not_run_here_is_told_so(worker):
    following = worker.room.asked(Asks(HERE, "key", "ended", Neighbour(1.0)), THERE)

    assert following.tell == [Frees(THERE, "key", {}, holder="ended")]


@pytest.mark.parametrize(("moment", "told"), [(-1.0, True), (1e9, False)])
def test_the_turn_is_for_the_worker_where_a_call_waits_longest(worker, moment, told):
    waiting, _ = worker.enter("a", holders=own("holder"))
    worker.room.asked(Asks(HERE, "key", "holder", Neighbour(moment)), THERE)

    following = worker.end("holder")

    assert ids(following) == ([] if told else ["a"])
    turn = Frees(THERE, "key", {HERE: Neighbour(waiting.since)}, passed=(HERE,))
    assert following.tell == ([turn] if told else [])


def test_a_turn_starts_the_call_that_waits_longest(worker):
    worker.enter("a", "b", holders=other("h"))

    assert ids(worker.room.freed(Frees(HERE, "key", {}))) == ["a"]


def test_a_turn_is_passed_on_if_nobody_waits_here(worker):
    turn = Frees(HERE, "key", {"third": Neighbour(5.0)}, passed=(THERE,))

    following = worker.room.freed(turn)

    assert following.tell == [Frees("third", "key", {}, passed=(THERE, HERE))]


def test_a_turn_that_comes_back_is_not_passed_on_again(worker):
    worker.enter("a", holders=other("h"))
    turn = Frees(HERE, "key", {"third": Neighbour(-5.0)}, passed=(HERE, THERE))

    assert ids(worker.room.freed(turn)) == ["a"]


def test_a_turn_does_not_go_back_to_a_worker_where_nobody_waits(worker):
    worker.room.asked(Asks(HERE, "key", "holder", Neighbour(1.0)), THERE)

    assert not worker.room.freed(Frees(HERE, "key", {}, passed=(THERE,)))


def test_a_turn_of_nobody_ends(worker):
    assert not worker.room.freed(Frees(HERE, "key", {}))


def test_of_a_success_hear_all_workers_whose_calls_share_the_value(worker):
    for name in ("one", "two"):
        neighbour = Neighbour(1.0, shared=True)
        worker.room.asked(Asks(HERE, "key", "holder", neighbour), name)

    tell = worker.end("holder", succeeded=True).tell

    assert [(each.worker, each.succeeded) for each in tell] == [
        ("one", True),
        ("two", True),
    ]


def test_a_worker_hears_of_the_second_of_two_holders_too():
    worker = Worker("one", "two")
    for task in ("one", "two"):
        worker.room.asked(Asks(HERE, "key", task, Neighbour(1.0)), THERE)

    assert [each.worker for each in worker.end("one").tell] == [THERE]
    assert [each.worker for each in worker.end("two").tell] == [THERE]


def test_when_the_connection_is_lost_nothing_starts_that_has_waited(worker):
    waiting, _ = worker.enter("a", holders=own("holder"))
    worker.room.clear()

    assert not worker.room.look(waiting, NOW + 100)
    assert not worker.end("holder")


def test_a_worker_that_shuts_down_still_tells_the_others_of_its_last_run(worker):
    worker.room.asked(Asks(HERE, "key", "holder", Neighbour(1.0)), THERE)
    worker.room.clear()

    assert [each.worker for each in worker.end("holder").tell] == [THERE]


def test_nothing_is_left_of_calls_that_have_ended(worker):
    worker.enter("a", "b", holders=own("holder"))
    for task in ("holder", "a", "b"):
        worker.start(worker.end(task))

    assert not worker.room.lines
    assert not worker.room.holders
