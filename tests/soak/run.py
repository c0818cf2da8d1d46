"""One soak from its first task to its verdict."""

import time

from tests.soak.app import app
from tests.soak.blocking import Blocking
from tests.soak.chaos import Chaos
from tests.soak.stage import Stage
from tests.soak.triggers import Triggers
from tests.soak.verdict import Account, Verdict
from tests.waiting import wait_until


def soak(stage: Stage, seconds: float, seed: int, patience: float = 60) -> Verdict:
    """Trigger and disturb for so many seconds or more, let it drain, and judge.

    Arguments:
        patience: seconds in which all must come to its end, undisturbed.
    """
    triggers = Triggers(seed, stage.lease, stage.results)
    end = time.monotonic() + seconds
    with Chaos(stage, seed) as chaos:
        while time.monotonic() < end or not chaos.enough:
            triggers.send_some()
    calm = time.monotonic()
    drained = _drain(stage, triggers, patience)
    drain = time.monotonic() - calm
    # A lock that its holder could not free while the store was away ends by itself.
    time.sleep(stage.lease)
    verdict = _judge(stage, triggers, chaos)
    verdict.aside["seconds until all had come to its end"] = round(drain, 1)
    if not drained:
        verdict.wrong["did not come to its end in time"] = [f"{patience} s"]
    return verdict


def _drain(stage: Stage, triggers: Triggers, patience: float) -> bool:
    """Wait until each task has its outcome and no message is left; tell if that was."""
    # A child may have been killed just after its worker had said that it was ready.
    stage.revive()
    try:
        wait_until(lambda: not triggers.under_way(), patience)
        # What was delivered twice still comes, and must find that it has run.
        wait_until(lambda: _is_idle(stage), patience)
    except AssertionError:
        return False
    return True


def _is_idle(stage: Stage) -> bool:
    names = [worker.name for worker in stage.workers]
    ask = app.control.inspect(destination=names, timeout=5, limit=len(names))
    for question in (ask.scheduled, ask.reserved, ask.active):
        answers = question() or {}
        if len(answers) < len(names) or any(answers.values()):
            return False
    return stage.broker.queue_length("celery") == 0


def _judge(stage: Stage, triggers: Triggers, chaos: Chaos) -> Verdict:
    outcomes = triggers.outcomes(triggers.sent)
    account = Account(stage.diary.read(), triggers.sent, outcomes)
    events = account.events()
    blocked = Blocking(account.notes).median()
    too_long = chaos.longest_outage > stage.lease / 2
    return Verdict(
        happened={
            "tasks triggered": len(triggers.sent),
            "bodies begun": events["begin"],
            "bodies ended": events["end"],
            "bodies that outlived their lease": account.longer_than(stage.lease),
            "tasks ignored as duplicates": account.revoked(),
            "arrivals after a wait": events["back"],
            "redeliveries": events["redelivered"],
            "pool children killed": chaos.done["kill child"],
            "workers killed": chaos.done["kill worker"],
            "store paused": chaos.done["pause store"],
            "store stopped and started": chaos.done["stop store"],
            "store killed and started": chaos.done["kill store"],
        },
        wrong={
            "overlaps": account.overlaps(),
            "runs after the task had finished": account.ran_again(),
            "lost tasks": account.lost(),
            "results that contradict the runs": account.contradictions(),
            "keys in the store without an end": sorted(
                chaos.endless.union(stage.endless_keys())
            ),
            "locks left after a lease": _locks(stage),
            "keys that the dead blocked for long": (blocked > stage.lease / 2) * [""],
            "outages too long to prove anything": too_long * [""],
        },
        aside={
            "median wait for a dead body's key, seconds": blocked,
            "locks that were lost": events["lose"],
            "longest outage of the store, seconds": round(chaos.longest_outage, 2),
        },
    )


def _locks(stage: Stage) -> list[str]:
    """The locks, without what else is kept of a key."""
    client = stage.locks.client
    return [
        f"{key} {client.get(key)!r}" for key in client.scan_iter() if key.endswith("}")
    ]
