"""Tasks that are guarded by their first argument, under each policy."""

from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import SOON, hold, witness
from unique_task import Duplicate, cached, retry, skip, unique
from unique_task.options.option_types import PolicyOption

POLICIES: dict[str, PolicyOption] = {
    "ignore": "ignore",
    "skip": "skip",
    "cached": cached(ttl=60),
    "retry": SOON,
    "raise": "raise",
}


def guarded(kind: str, policy: str, **options: Any) -> Any:
    @app.task(name=f"{kind} {policy}", **options)
    @unique(key="{key}", on_duplicate=POLICIES[policy])
    def task(key: str, value: Any = None) -> Any:
        return hold(key, value)

    return task


EARLY = {policy: guarded("early", policy) for policy in POLICIES}
LATE = {policy: guarded("late", policy, acks_late=True) for policy in POLICIES}
QUIET = {policy: guarded("quiet", policy, ignore_result=True) for policy in POLICIES}


@app.task
@unique(key="{key}", on_duplicate=skip("skipped"))
def skipping(key: str) -> None:
    hold(key)


@app.task
@unique(key="{key}", on_duplicate="cached")
def caching_after_failures(key: str, failures: int) -> int:
    """Fail so many times, then return which run this is."""
    hold(key)
    run = witness().runs(key)
    if run <= failures:
        raise ValueError(f"run {run} fails")
    return run


@app.task
@unique(key="{key}", on_duplicate=cached(ttl=0.5))
def caching_for_a_moment(key: str) -> int:
    with witness().running(key):
        return witness().runs(key)


@app.task(bind=True, max_retries=2)
@unique(key="{key}", on_duplicate=SOON)
def retrying_twice(self: Task, key: str) -> int:
    hold(key)
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task
@unique(key="{key}", on_duplicate=retry(countdown=0.1, timeout=0.3))
def giving_up(key: str) -> None:
    hold(key)


@app.task
@unique(key="{key}", on_duplicate=SOON)
def failing(key: str) -> None:
    hold(key)
    raise ValueError(key)


#: What a task sees of how it was sent.
SEEN = [
    *("id", "args", "kwargs", "retries", "callbacks", "errbacks", "expires"),
    *("timelimit", "shadow", "root_id", "parent_id", "group", "ignore_result"),
    *("correlation_id", "reply_to", "stamped_headers"),
]


def seen_by(task: Task) -> dict[str, Any]:
    """What an attempt of `task` sees of how it was sent."""
    request: Any = task.request
    return {
        **{name: request.get(name) for name in SEEN},
        "headers": {"colour": (request.headers or {}).get("colour")},
        "priority": request.delivery_info["priority"],
        "queue": request.delivery_info["routing_key"],
    }


@app.task(bind=True)
@unique(key="{key}", on_duplicate=SOON)
def look(self: Task, key: str, other: str = "") -> dict[str, Any]:
    hold(key)
    return seen_by(self)


@app.task(autoretry_for=(Exception,), default_retry_delay=0, max_retries=5)
@unique(key="{key}", on_duplicate="raise")
def raising_in_autoretry(key: str) -> None:
    hold(key)


@app.task(
    autoretry_for=(Exception,),
    dont_autoretry_for=(KeyError,),
    default_retry_delay=0,
    max_retries=5,
)
@unique(key="{key}", on_duplicate="raise")
def raising_in_choosy_autoretry(key: str) -> None:
    hold(key)


def answer(duplicate: Duplicate) -> Any:
    """A policy of one's own: a value or an error, as the caller has it."""
    if duplicate.kwargs.get("fail"):
        raise LookupError(f"{duplicate.owner} holds it")
    return [duplicate.owner, duplicate.args[0], duplicate.queued]


@app.task
@unique(key="{key}", on_duplicate=answer)
def answering(key: str, fail: bool = False) -> None:
    hold(key)
