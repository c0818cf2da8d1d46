from itertools import islice
from pathlib import Path

import pytest

from tests.servers import RabbitMQServer
from tests.soak.chaos import child_steps, store_steps, worker_steps
from tests.soak.diary import Note
from tests.soak.run import soak
from tests.soak.stage import staged
from tests.soak.triggers import Triggers
from tests.soak.verdict import Account, Verdict
from tests.waiting import wait_until

LEASE = 3

#: What is wrong where the machine is too busy for a lease. A longer one tells whether
#: that was all: what each of them allows grows with it.
SLOW = ("outages too long to prove anything", "keys that the dead blocked for long")


@pytest.mark.worker
@pytest.mark.usefixtures("rabbitmq_url")
def test_nothing_overlaps_and_nothing_is_lost(
    rabbitmq_server: RabbitMQServer, tmp_path: Path
):
    for lease in (LEASE, 4 * LEASE):
        directory = tmp_path / str(lease)
        directory.mkdir()
        rabbitmq_server.delete_queue("celery")
        with staged(directory, rabbitmq_server, lease) as stage:
            verdict = soak(stage, seconds=9, seed=3)
        if not any(map(verdict.wrong.get, SLOW)):
            break
    assert verdict.passed, verdict.table()


@pytest.mark.worker
@pytest.mark.usefixtures("rabbitmq_url")
def test_overlaps_are_seen_where_nothing_is_guarded(
    rabbitmq_server: RabbitMQServer, tmp_path: Path
):
    with staged(tmp_path, rabbitmq_server, LEASE, guarded=False) as stage:
        triggers = Triggers(3, LEASE, stage.results)

        def overlaps() -> bool:
            triggers.send_some()
            return any(note.event == "overlap" for note in stage.diary.read())

        wait_until(overlaps, timeout=60)


@pytest.mark.parametrize("steps", [child_steps, worker_steps, store_steps])
def test_a_seed_makes_one_schedule(steps):
    first, again, other = (list(islice(steps(seed, LEASE), 20)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_soak_in_which_nothing_happened_has_failed():
    assert not Verdict(happened={"workers killed": 0}, wrong={"overlaps": []}).passed
    assert Verdict(happened={"workers killed": 1}, wrong={"overlaps": []}).passed


@pytest.mark.parametrize(
    "between, again",
    [(["arrive"], 1), ([], 0), (["unfinished", "arrive"], 0)],
    ids=["goes on to another task", "is killed", "the store does not answer"],
)
def test_a_run_is_one_too_many_once_the_store_knows_that_the_task_has_finished(
    between, again
):
    events = [(1, "begin"), (1, "end"), *((1, event) for event in between)]
    notes = [Note(0, pid, event, "task") for pid, event in [*events, (2, "begin")]]

    assert len(Account(notes, {}, {}).ran_again()) == again
