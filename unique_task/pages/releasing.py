"""Releases the locks of some keys from the holders that somebody has looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from celery import Celery

from .. import operating
from ..exceptions import LockStoreError
from ..operating import Lock, Missing, Released
from ..operating.targets import KEY
from .inputs import InputError, repeated

#: Keys whose locks are released at once.
MOST = 100


@dataclass(frozen=True)
class Outcomes:
    """What becomes of the locks.

    Attributes:
        released: one for each holder.
        missing: the stores that do not answer, and why.
    """

    released: tuple[Released, ...]
    missing: tuple[Missing, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Those of the holders that a release would be about."""
        return tuple(one.holder.token for one in self.released if one.holder)

    @property
    def need_running(self) -> bool:
        """Whether some are refused as they live, or may."""
        return any(one.needs_running for one in self.released)

    @property
    def words(self) -> str:
        """How many there are of each outcome: ``2 released, 1 refused``."""
        found = [one.outcome for one in self.released]
        counts = (f"{found.count(each)} {each}" for each in dict.fromkeys(found))
        why = "not all could be seen" if self.missing else "nobody holds the lock"
        return ", ".join(counts) or f"nothing was released: {why}"


def offered(
    app: Celery,
    keys: Sequence[str],
    tokens: Collection[str] | None = None,
    *,
    timeout: float,
) -> Outcomes:
    """Return what would become of the locks of some keys; nothing is released.

    Arguments:
        tokens: of the holders that somebody has chosen; None for all.
        timeout: seconds to wait for the workers' answers; 0 not to ask them.

    Raises:
        InputError: if there are too many keys, or one is none.
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    missing: list[Missing] = []
    found = _locks(app, keys, missing, timeout)
    chosen = found if tokens is None else _seen(found, tokens)
    return _outcomes(operating.release(app, chosen), missing)


def released(
    app: Celery,
    keys: Sequence[str],
    tokens: Collection[str],
    *,
    by: str,
    running: bool = False,
    revoke: bool = False,
    timeout: float,
) -> Outcomes:
    """Release the locks of some keys from those holders that somebody has seen.

    Whoever got a lock since then keeps it.

    Arguments:
        tokens: of the holders.
        by: who asks.
        running: release also what lives, or may live.
        revoke: revoke the tasks of the holders, too, and terminate those that run.
        timeout: seconds to wait for the workers' answers; 0 not to ask them.

    Raises:
        InputError: as above.
        ConfigurationError: if `by` is not one line of some words; as above.
    """
    missing: list[Missing] = []
    seen = _seen(_locks(app, keys, missing, timeout), tokens)
    outcomes = operating.release(
        app, seen, force=True, running=running, by=by, revoke=revoke
    )
    return _outcomes(outcomes, missing)


def _outcomes(found: Iterator[Released], missing: list[Missing]) -> Outcomes:
    outcomes: list[Released] = []
    try:
        outcomes.extend(found)
    except LockStoreError as error:
        # What was released before that is released.
        missing.append(Missing("the rest", str(error)))
    return Outcomes(tuple(outcomes), tuple(missing))


def _locks(
    app: Celery, keys: Sequence[str], missing: list[Missing], timeout: float
) -> Iterator[Lock]:
    for key in keys:
        if not KEY.fullmatch(key):
            raise InputError(f"key: {repeated(key)} is no key of a lock")
    if len(keys) > MOST:
        raise InputError(f"{len(keys)} keys: release {MOST} at once at most")
    for one in operating.locks_of(app, keys, timeout=timeout):
        if isinstance(one, Missing):
            missing.append(one)
        else:
            yield one


def _seen(locks: Iterator[Lock], tokens: Collection[str]) -> Iterator[Lock]:
    for lock in locks:
        holders = tuple(one for one in lock.holders if one.token in tokens)
        if holders:
            yield replace(lock, holders=holders)
