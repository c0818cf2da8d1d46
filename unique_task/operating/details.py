"""Shows one lock: its holders, the messages that have reserved it, who waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery

from ..backends.base import Backend
from ..backends.listing import PENDING, SUCCESSOR
from ..exceptions import LockRecordError, LockStoreError
from .app_tasks import Call, stores_of
from .holders import WORKERS, Holder, Lock, Missing, Waiting
from .inventory import Wanted, locks
from .left_behind import LeftBehind, left_behind
from .targets import KEY, is_call
from .verdicts import judged
from .workers import TIMEOUT, Workers, waiting_for

#: The names under which a store keeps locks of a key, by what they are for.
_KINDS = {"key": "", "pending": PENDING, "successor": SUCCESSOR}


@dataclass(frozen=True)
class Detail:
    """What is known of one key in one store.

    Attributes:
        key: the digest; None if the store does not tell.
        store: name of the store.
        locks: those of the key that are held.
        waiting: the calls that wait for the key, by worker.
        missing: what could not be seen.
        left_behind: by runs of the key; None if the store does not tell.
        answered: the workers that told who waits in them.
    """

    key: str | None
    store: str
    locks: tuple[Lock, ...]
    waiting: tuple[Waiting, ...]
    missing: tuple[Missing, ...] = ()
    left_behind: LeftBehind | None = None

    @property
    def away(self) -> tuple[Missing, ...]:
        """What is missing but for the workers' answers: the stores, and why."""
        return tuple(one for one in self.missing if one.what != WORKERS)

    answered: tuple[str, ...] = ()


def show(
    app: Celery,
    wanted: str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    timeout: float = TIMEOUT,
) -> list[Detail]:
    """Return what is known of a lock, for each store where it may be.

    Arguments:
        wanted: a key, the name of a task, or the id of a task that holds a lock. For an
            id, the stores list their locks; one that cannot is among what is missing.
        args: of a call, if `wanted` is a task.
        kwargs: of that call.
        timeout: seconds to wait for the workers' answers; 0 not to ask them.

    Raises:
        UnknownCallError: if there is no such task, or the arguments do not fit it.
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    workers = Workers(app, timeout)
    if is_call(app, wanted, args, kwargs):
        call = Call.of(app, wanted, list(args or ()), dict(kwargs or {}))
        ttl = call.plan.value_ttl
        return [_detail(app, call.backend, call.key, workers, ttl)]
    of_key = []
    if KEY.fullmatch(wanted):
        stores = stores_of(app).values()
        of_key = [_detail(app, store, wanted, workers) for store in stores]
    if any(detail.locks for detail in of_key):
        return of_key
    # An id may look like a key, as one of uuid4().hex does.
    of_task = _of_task(app, wanted, workers)
    return of_task if not of_key or any(one.locks for one in of_task) else of_key


def locks_of(
    app: Celery, keys: Sequence[str], *, timeout: float = TIMEOUT
) -> Iterator[Lock | Missing]:
    """Yield the locks of some keys that are held, in whatever store.

    A store that does not answer is yielded as :class:`.Missing`.

    Arguments:
        timeout: seconds to wait for the workers' answers; 0 not to ask them.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    found: list[Lock] = []
    missing: list[Missing] = []
    for backend in stores_of(app).values():
        try:
            for key in keys:
                found += locks_of_key(backend, key)
        except LockStoreError as error:
            missing.append(Missing(backend.name, str(error)))
    yield from judged(app, found, Workers(app, timeout))
    yield from missing


def _of_task(app: Celery, task_id: str, workers: Workers) -> list[Detail]:
    """Return what is known of the keys that a task holds, and what is not seen."""
    stores = stores_of(app)
    found = list(locks(app, Wanted(owner=task_id), timeout=0))
    held = {(one.fingerprint, one.key): one for one in found if isinstance(one, Lock)}
    return [
        *(
            _of_lock(app, stores[one.fingerprint], one, workers)
            for one in held.values()
        ),
        *(_missing(one) for one in found if isinstance(one, Missing)),
    ]


def _of_lock(app: Celery, backend: Backend, lock: Lock, workers: Workers) -> Detail:
    if lock.key is not None:
        return _detail(app, backend, lock.key, workers)
    return Detail(None, lock.store, tuple(judged(app, [lock], workers)), ())


def _missing(missing: Missing) -> Detail:
    return Detail(None, missing.what, (), (), (missing,))


def _detail(
    app: Celery,
    backend: Backend,
    key: str,
    workers: Workers,
    value_ttl: float | None = None,
) -> Detail:
    try:
        found = locks_of_key(backend, key)
        left = left_behind(backend, key, found, value_ttl)
    except LockStoreError as error:
        return Detail(key, backend.name, (), (), (Missing(backend.name, str(error)),))
    answers = workers.ask("unique_waiting")
    return Detail(
        key,
        backend.name,
        tuple(judged(app, found, workers)),
        waiting_for(answers, key),
        () if answers.missing is None else (answers.missing,),
        left,
        tuple(sorted({node for node, _ in answers.replies})),
    )


def locks_of_key(backend: Backend, key: str) -> list[Lock]:
    """Return the locks of a key that are held; nobody has judged their holders yet.

    Raises:
        LockStoreError: if the store does not answer.
    """
    found = (_lock(backend, key, kind) for kind in _KINDS)
    return [lock for lock in found if lock.holders or lock.unreadable]


def _lock(backend: Backend, key: str, kind: str) -> Lock:
    name = key + _KINDS[kind]
    place = backend.name, backend.fingerprint, name, key, kind
    try:
        holders = tuple(map(Holder.of, backend.holders(name)))
    except LockRecordError:
        return Lock(*place, (), None, unreadable=True)
    last = max((holder.remaining for holder in holders), default=0.0)
    return Lock(*place, holders, last)
