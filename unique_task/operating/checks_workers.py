"""Checks of the workers that answer: whether they guard tasks as this process does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from celery import Celery

from ..backends.findings import Finding, Level
from .about import ABOUT, about
from .checks_stores import Clock, compared
from .workers import Workers

#: What :func:`.about` returns.
About = Mapping[str, Any]

#: Compares what a worker is with what this process is.
Check = Callable[[About, About], Iterator[Finding]]

_SWITCH = "set unique_enabled alike everywhere, once all are to enforce locks"
_DEPLOY = "end the deploy, or restart what runs older code or settings"


def examine_workers(app: Celery, timeout: float, now: Clock) -> Iterator[Finding]:
    """Yield what is found of the workers.

    Arguments:
        timeout: seconds to wait for their answers; 0 not to ask them.
    """
    before = now()
    answers = Workers(app, timeout).ask(ABOUT)
    after = now()
    if answers.missing is not None:
        yield Finding("workers", Level.UNKNOWN, answers.missing.reason)
        return
    strangers = [pair for pair in answers.replies if not is_known(pair[1])]
    for node, answer in strangers:
        yield replace(_stranger(answer), where=node)
    known = [(node, one) for node, one in answers.replies if is_known(one)]
    if known:
        found = f"{len(known)} answer: {', '.join(node for node, _ in known)}"
        yield Finding("workers", Level.OK, found)
        yield from _compared(about(app, now), known, before, after)


def is_known(answer: Any) -> bool:
    """Tell whether a worker has answered what :func:`.about` returns."""
    return isinstance(answer, dict) and isinstance(answer.get("tasks"), dict)


def _stranger(answer: Any) -> Finding:
    error = str(answer.get("error", "")) if isinstance(answer, dict) else ""
    if "KeyError" in error and ABOUT in error:
        return Finding(
            "workers",
            Level.WARN,
            "a worker without unique_task, or with an older version: it guards no task "
            "as this process does",
            "install this version there, unless it is a worker of another project",
        )
    found = f"a worker that cannot tell how it guards tasks: {error or repr(answer)}"
    return Finding("workers", Level.UNKNOWN, found)


def _compared(
    own: About, known: Sequence[tuple[str, About]], before: float, after: float
) -> Iterator[Finding]:
    def clocks(own: About, other: About) -> Iterator[Finding]:
        found = compared("clocks", "of the worker", other.get("now"), before, after)
        if found.level is not Level.OK:
            yield found

    checks: Mapping[str, tuple[Check, str]] = {
        "versions": (_versions, "all have the version of this process"),
        "stores": (_stores, "all have their locks where this process has them"),
        "keys": (_keys, "all make keys as this process does"),
        "options": (_options, "all have the options of this process"),
        "clocks": (clocks, "their clocks agree with that of this process"),
    }
    for name, (check, good) in checks.items():
        found = [
            replace(one, where=node)
            for node, other in known
            for one in check(own, other)
        ]
        yield from found or [Finding(name, Level.OK, good)]


def _versions(own: About, other: About) -> Iterator[Finding]:
    if own["version"] != other.get("version"):
        found = f"unique_task {other.get('version')}, and {own['version']} here"
        yield Finding("versions", Level.WARN, found, _DEPLOY)


def _stores(own: About, other: About) -> Iterator[Finding]:
    elsewhere = _differing(own, other, "store")
    unguarded = sorted(own["tasks"].keys() - other["tasks"].keys())
    if elsewhere and own["shadow"] != other.get("shadow", False):
        where = "here" if own["shadow"] else "there"
        found = (
            f'unique_enabled is "shadow" only {where}, so calls do not see each other'
        )
        yield Finding("stores", Level.WARN, found, _SWITCH)
    elif elsewhere:
        yield Finding(
            "stores",
            Level.WARN,
            f"other locks than here, so calls do not see each other: {elsewhere}",
            "set unique_backend and unique_key_prefix alike everywhere",
        )
    if own["tasks"] and not other["tasks"]:
        found = "no task is guarded: unique_enabled is False, or it has other tasks"
        yield Finding("stores", Level.WARN, found, _DEPLOY)
    elif unguarded:
        found = f"not guarded or not known there: {', '.join(unguarded)}"
        yield Finding("stores", Level.WARN, found, _DEPLOY)


def _keys(own: About, other: About) -> Iterator[Finding]:
    differing = _differing(own, other, "key")
    if differing:
        found = f"equal calls have other keys than here: {differing}"
        yield Finding("keys", Level.WARN, found, _DEPLOY)
    computed = _differing(own, other, "code")
    if not computed or computed == differing:
        return
    if own["python"] == other.get("python"):
        found = f"the function that makes keys is another than here: {computed}"
        yield Finding("keys", Level.WARN, found, _DEPLOY)
    else:
        found = f"{other.get('python')} compiles the functions that make keys in its "
        found += f"own way, so they cannot be compared: {computed}"
        yield Finding("keys", Level.UNKNOWN, found)


def _options(own: About, other: About) -> Iterator[Finding]:
    differing = _differing(own, other, "options")
    if differing:
        found = f"other options or settings than here: {differing}"
        yield Finding("options", Level.WARN, found, _DEPLOY)


def _differing(own: About, other: About, rule: str) -> str:
    """Return the names of the tasks that both have, with another rule."""
    both = own["tasks"].keys() & other["tasks"].keys()
    return ", ".join(
        name
        for name in sorted(both)
        if own["tasks"][name][rule] != other["tasks"][name].get(rule)
    )
