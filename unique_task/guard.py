"""One guarded call: go in, run the body under its lock, and free it on the way out."""

from __future__ import annotations

from typing import Any

from celery.exceptions import Ignore, Reject

from .admission import admit
from .arguments import Misfit
from .attempt import Attempt
from .backends.record import Record
from .calls import Call
from .current import held_lease, run_under
from .exceptions import LockStoreError
from .exits import End, leave, settle
from .lease import Lease
from .process import this_process
from .requeue import LeftAlone
from .rules import Rules, Terms, name_of
from .started import note_started
from .turned_away import Answer
from .unguarded import Unguarded
from .values import encode_value


class Guard(Rules):
    """Guards one task; see :class:`Rules` for the arguments."""

    def __call__(self, call: Call) -> Any:
        """Run the body of `call` under its lock, or do what the policy says.

        Raises:
            DuplicateTaskError: if the policy says so.
            LockStoreError: if the store does not answer, and the settings say so or the
                call has no queue to come back from.
            UniqueKeyError: if the arguments cannot be made a key.
            ConfigurationError: if the lock was taken at publish in another store.
            Exception: what the body raises; Celery's Ignore, Retry and Reject.
        """
        try:
            entry = self._entered(call)
            if isinstance(entry, Lease):
                return self._run(call, entry)
        finally:
            # Wherever the call broke off, as by a signal: no body ran under its lock.
            call.break_off()
        return call.body() if entry is None else entry.value

    def _entered(self, call: Call) -> Lease | Answer | None:
        try:
            return self._enter(call)
        except Ignore as verdict:
            # Celery copies every frame of the traceback, twice, and throws them away.
            raise verdict.with_traceback(None) from None
        except Exception as verdict:
            call.note_verdict(verdict)
            raise

    def _enter(self, call: Call) -> Lease | Answer | None:
        """Return a lease, an answer, or None for a body that needs no lock.

        That is one inside of its own attempt, or one that fails before it begins.
        """
        task = call.task
        try:
            terms = self.terms(
                task, call.published, call.args, call.kwargs, eager=call.eager
            )
        except Misfit:  # the body says what is wrong, in the function's own words
            note_started(call)
            return None
        if terms is None:
            return Unguarded(task, call.request, call.owner)
        attempt = _attempt(call, terms)
        if not terms.guarded:
            attempt.note_settled()
            return Unguarded(task, call.request, call.owner, attempt.give_up)
        if held_lease(attempt.key, attempt.backend) is not None:
            return None
        return self._admitted(attempt)

    def _admitted(self, attempt: Attempt) -> Lease | Answer:
        try:
            entry = admit(attempt)
        except LeftAlone:  # its lock goes with the message that comes back
            attempt.note_settled()
            raise
        except (LockStoreError, Reject):
            raise
        except Exception:
            self._settle(attempt)
            raise
        if isinstance(entry, Answer):
            self._settle(attempt)
        attempt.note_settled()
        return entry

    def _settle(self, attempt: Attempt) -> None:
        attempt.give_up()
        attempt.note_settled()
        if attempt.remember:
            settle(attempt.call, attempt.finish)

    def _run(self, call: Call, lease: Lease) -> Any:
        stored, end = None, End.BROKEN_OFF
        try:
            call.abandon = None  # from here on, the lease is in charge
            if lease.whole and call.queued:
                call.note_lease(lease)
            value = run_under(lease, lambda: self._body(call, lease))
            end = End.RETURNED
            if lease.fresh is not None:
                stored = encode_value(call.task, value)
            return value
        except Exception:
            end = End.RAISED
            raise
        finally:
            leave(call, lease, stored, end)

    @staticmethod
    def _body(call: Call, lease: Lease) -> Any:
        # Receivers and the store of states may take their time: by now the lock is
        # renewed.
        lease.announce()
        note_started(call)
        return call.body()


def _attempt(call: Call, terms: Terms) -> Attempt:
    token, state = str(call.token()), "running" if call.queued else "called"
    record = Record(token, name_of(call.task), call.worker, state, this_process())
    plan, backend = terms.plan, terms.backend
    attempt = Attempt(call, plan, backend, terms.key, record, terms.published)
    record.final = not attempt.remember
    return attempt
