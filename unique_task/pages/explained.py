"""What would happen to a call, as fields for people."""

from __future__ import annotations

from collections.abc import Iterable

from ..operating import Explanation, Place
from .words import duration


def explained_fields(answer: Explanation) -> Iterable[tuple[str, object]]:
    """Return the names and values of what is explained of a call."""
    lease = "" if answer.lease is None else f", runs by leases of {answer.lease:g} s"
    yield "task", answer.task
    yield "key", answer.key
    yield "made of", _made_of(answer)
    yield "store", answer.store
    yield "lock", f"{answer.lock}, limit {answer.limit}"
    yield "expire", f"{answer.expire:g} s{lease}"
    yield from _place("publish", answer.at_publish)
    yield from _place("run", answer.at_run)
    if answer.has_value is not None:
        yield "value", repr(answer.value) if answer.has_value else "none is fresh"


def _made_of(answer: Explanation) -> str:
    names = ", ".join(answer.made_of) or "no parameter"
    namespace = answer.namespace
    more = "" if namespace == answer.task else f", in the namespace {namespace}"
    return f"{answer.key_option}: {names}{more}"


def _place(name: str, place: Place) -> Iterable[tuple[str, object]]:
    policy = f" (on_duplicate: {place.policy})" if place.duplicate else ""
    yield f"at {name}", f"{place.happens}{policy}"
    if place.free_in is not None:
        yield "free in", f"{duration(place.free_in)} at the latest, unless renewed"
