"""Reads and checks the ``unique_*`` settings of a Celery app."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ..backends.base import Backend
from ..backends.celery_urls import with_tls, with_transport_options
from ..backends.prefixed import checked_prefix
from ..backends.registry import can_hold_locks, is_local
from ..durations import seconds
from ..exceptions import ConfigurationError

#: Every setting and its default.
DEFAULTS: Mapping[str, Any] = {
    "unique_backend": None,
    "unique_enabled": True,
    "unique_expire": 3600.0,
    "unique_key_prefix": None,
    "unique_lease": 15.0,
    "unique_lock": "while_executing",
    "unique_on_duplicate": "ignore",
    "unique_on_unavailable": "retry",
    "unique_redelivery": None,
    "unique_renew": True,
    "unique_timeout": 2.0,
}

#: The settings that are read: ours, and those of Celery that ours depend on.
READ = (*DEFAULTS, "broker_transport_options", "task_protocol")

#: Also read where ``unique_backend`` is not set: they give the place of the locks.
READ_FOR_STORE = (
    *("result_backend", "result_backend_transport_options", "redis_backend_use_ssl"),
    *("broker_url", "broker_use_ssl"),
)

#: Seconds after which a broker delivers an unacknowledged message again. Of the brokers
#: that do so by the clock, Redis has the longest default.
_VISIBILITY = 3600

_DURATIONS = ("unique_expire", "unique_lease", "unique_redelivery", "unique_timeout")

#: The value of ``unique_enabled`` with which duplicates are only counted.
SHADOW = "shadow"

ON_UNAVAILABLE = ("retry", "run", "raise")

#: What Celery and kombu put before the URL of a database, beside ``db+``.
_OF_DATABASE = re.compile(r"^(database|sqla|sqlalchemy)\+")


@dataclass(frozen=True)
class Settings:
    """The checked settings of an app; times are seconds.

    Attributes:
        headers: whether messages have headers, which carry our lock header.
        celery_prefix: Celery's own prefix for keys, where `backend` is the app's
            result backend or broker.
        backend: the object or URL that is set, else the app's result backend or broker;
            None if neither can hold locks.
        enabled: False switches every guard off.
        shadow: whether every call runs, and duplicates are only counted.
        key_prefix: prefix of all keys; None to use `celery_prefix`.
        expire: how long a lock stands when nothing renews it.
        lease: how long a running attempt's lock stands after its last renewal.
        lock: the default lock type.
        on_duplicate: the default policy.
        on_unavailable: what happens when the store does not answer.
        redelivery: how long the broker may still deliver a message again.
        renew: whether running attempts hold their locks by leases.
        timeout: how long one operation of the store may take at most.
    """

    headers: bool
    celery_prefix: str
    backend: Backend | str | None
    enabled: bool
    shadow: bool
    key_prefix: str | None
    expire: float
    lease: float
    lock: str
    on_duplicate: Any
    on_unavailable: str
    redelivery: float
    renew: bool
    timeout: float


def read(conf: Any) -> Settings:
    """Read the settings from ``app.conf``.

    Raises:
        ConfigurationError: for an unknown setting or a value that is not allowed.
    """
    for name in _names(conf):
        if name not in DEFAULTS:
            raise ConfigurationError(
                f"{name} is no setting of unique_task; known are {', '.join(DEFAULTS)}"
            )
    values = {name: conf.get(name, default) for name, default in DEFAULTS.items()}
    if values["unique_redelivery"] is None:
        values["unique_redelivery"] = _redelivery(conf)
    for name in _DURATIONS:
        values[name] = seconds(name, values[name])
    _check("unique_enabled", values["unique_enabled"], (True, False, SHADOW))
    shadow = values["unique_enabled"] == SHADOW
    values["unique_enabled"] = bool(values["unique_enabled"])
    _check("unique_renew", values["unique_renew"], (True, False))
    _check("unique_on_unavailable", values["unique_on_unavailable"], ON_UNAVAILABLE)
    celery_prefix = ""
    if values["unique_backend"] is None:
        values["unique_backend"], celery_prefix = _store_of_app(conf)
    values["unique_key_prefix"] = _key_prefix(
        values["unique_key_prefix"], celery_prefix
    )
    return Settings(
        conf.task_protocol != 1,
        celery_prefix,
        shadow=shadow,
        **{name.removeprefix("unique_"): v for name, v in values.items()},
    )


def _key_prefix(own: object, celery_prefix: object) -> str | None:
    """Return the prefix that is set; if none is, check Celery's, which then counts."""
    if own is not None:
        return checked_prefix("unique_key_prefix", own)
    checked_prefix("global_keyprefix", celery_prefix)
    return None


def _redelivery(conf: Any) -> float:
    """Return twice the broker's time limit: a message taken back waits in its queue."""
    options = conf.broker_transport_options or {}
    timeout = options.get("visibility_timeout") or _VISIBILITY
    try:
        return 2 * float(timeout)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"broker_transport_options: visibility_timeout={timeout!r} is no number of "
            "seconds; correct it, or set unique_redelivery"
        ) from None


def _names(conf: Any) -> Iterator[str]:
    """Yield the names of our settings in a configuration, without Celery's prefix.

    A name in capitals is yielded as it stands, because Celery does not find it: the
    check then refuses it as unknown.
    """
    prefix = (conf.prefix or "").lower()
    for key in map(str, chain.from_iterable(conf.maps)):
        if prefix and key.lower().startswith(f"{prefix}unique_"):
            yield key.lower().removeprefix(prefix)
        elif key.startswith("unique_" if prefix else ("unique_", "UNIQUE_")):
            yield key


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ConfigurationError(f"{name}={value!r}: allowed are {choices}")


def _store_of_app(conf: Any) -> tuple[str | None, str]:
    """Return the URL of the app's store for locks, and Celery's prefix for keys there.

    A store that other hosts can reach comes first.
    """
    places = [place for place in _places(conf) if can_hold_locks(place[0])]
    return min(places, key=lambda place: is_local(place[0]), default=(None, ""))


def _places(conf: Any) -> Iterator[tuple[str, str]]:
    """Yield the result backend and the broker: URL, and Celery's prefix for keys."""
    results = conf.result_backend_transport_options
    broker = conf.broker_transport_options
    for url, options, tls in (
        (conf.result_backend, results, conf.redis_backend_use_ssl),
        (conf.broker_url, broker, conf.broker_use_ssl),
    ):
        if isinstance(url, str):
            url = _OF_DATABASE.sub("", url)
            url = with_tls(with_transport_options(url, options), tls)
            yield url, (options or {}).get("global_keyprefix") or ""
