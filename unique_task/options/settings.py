"""The ``unique_*`` settings of a Celery app, and the store of locks they choose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from celery import Celery

from ..backends.base import Backend
from ..backends.prefixed import checked_prefix
from ..backends.redis.url import with_tls, with_transport_options
from ..backends.registry import can_hold_locks, is_local, known_schemes, open_backend
from ..backends.safe_names import without_password
from ..durations import seconds
from ..exceptions import ConfigurationError
from .settings_seen import Seen

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

#: Settings that ours follow from.
_READ = (*DEFAULTS, "broker_transport_options", "task_protocol")

#: And those that tell where locks live, unless ``unique_backend`` does.
_READ_FOR_STORE = (
    *("result_backend", "result_backend_transport_options", "redis_backend_use_ssl"),
    *("broker_url", "broker_use_ssl"),
)

#: Seconds after which a broker delivers again what nobody has acknowledged. Of those
#: that do so by the clock, Redis waits longest unless told otherwise.
_VISIBILITY = 3600

_DURATIONS = ("unique_expire", "unique_lease", "unique_redelivery", "unique_timeout")

ON_UNAVAILABLE = ("retry", "run", "raise")

#: What Celery and kombu put before the URL of a database, beside ``db+``.
_OF_DATABASE = re.compile(r"^(database|sqla|sqlalchemy)\+")


@dataclass(frozen=True)
class Settings:
    """What an app says of its locks; times are seconds.

    Attributes:
        headers: whether messages have headers, in which a lock can travel.
        followed_prefix: Celery's own prefix for keys where `backend` is the app's
            result backend or broker.
        backend: object or URL: what is set, else the app's result backend or broker.
            None where neither can hold locks.
        enabled: False switches every guard off.
        key_prefix: what all keys begin with; None for what Celery says.
        expire: how long a lock stands when nothing renews it.
        lease: how long a running attempt's lock stands after its last renewal.
        lock: lock type.
        on_duplicate: policy.
        on_unavailable: what happens when the store does not answer.
        redelivery: how long the broker may deliver a message again.
        renew: hold running attempts' locks by leases.
        timeout: how long one operation of the store may take at most.
    """

    headers: bool
    followed_prefix: str
    backend: Backend | str | None
    enabled: bool
    key_prefix: str | None
    expire: float
    lease: float
    lock: str
    on_duplicate: Any
    on_unavailable: str
    redelivery: float
    renew: bool
    timeout: float


#: Attribute of an app: its settings, and what its configuration said then.
_CACHE = "_unique_task_settings"


def settings_of(app: Celery) -> Settings:
    """Return the settings of `app`; a change of ``app.conf`` is seen by the next call.

    Raises:
        ConfigurationError: for an unknown setting or a value that makes no sense.
    """
    cached: tuple[Seen, Settings] | None = vars(app).get(_CACHE)
    if cached is None or not cached[0].holds(app.conf):
        cached = vars(app)[_CACHE] = _read_and_seen(app.conf)
    return cached[1]


def _read_and_seen(conf: Any) -> tuple[Seen, Settings]:
    backend = conf.get("unique_backend")  # loads the configuration
    names = _READ if backend is not None else (*_READ, *_READ_FOR_STORE)
    # Before the settings are read: what changes meanwhile is a change.
    seen = Seen(conf, names)
    return seen, _read(conf)


def _read(conf: Any) -> Settings:
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
    for name in ("unique_enabled", "unique_renew"):
        _check(name, values[name], (True, False))
    _check("unique_on_unavailable", values["unique_on_unavailable"], ON_UNAVAILABLE)
    followed = ""
    if values["unique_backend"] is None:
        values["unique_backend"], followed = _store_of_app(conf)
    values["unique_key_prefix"] = _prefix(values["unique_key_prefix"], followed)
    return Settings(
        conf.task_protocol != 1,
        followed,
        **{name.removeprefix("unique_"): v for name, v in values.items()},
    )


def _prefix(own: object, followed: object) -> str | None:
    """Return what is set; else check what Celery says, which then counts."""
    if own is not None:
        return checked_prefix("unique_key_prefix", own)
    checked_prefix("global_keyprefix", followed)
    return None


def _redelivery(conf: Any) -> float:
    """Return twice the broker's time limit: what it takes back waits in a queue too."""
    options = conf.broker_transport_options or {}
    timeout = options.get("visibility_timeout") or _VISIBILITY
    try:
        return 2 * float(timeout)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"broker_transport_options: visibility_timeout={timeout!r} is no number of "
            "seconds; say unique_redelivery=, or mend it"
        ) from None


def _names(conf: Any) -> Iterator[str]:
    """Yield what is set of ours: behind the prefix if there is one, else as it stands.

    In capitals and without a prefix Celery would not find it: that is a wrong name too.
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


def backend_of(
    app: Celery, settings: Settings, option: object = None, *, eager: bool = False
) -> Backend:
    """Return the store of locks of `app`.

    That is what the task's own `option` says, else ``unique_backend``, else the result
    backend, else the broker, where a lock can live there.

    Arguments:
        eager: fall back on locks in memory, for a call that no worker is part of.

    Raises:
        ConfigurationError: if there is none; it says what to set.
    """
    choice = settings.backend if option is None else option
    prefix = settings.key_prefix
    if prefix is None:
        prefix = settings.followed_prefix if option is None else ""
    if isinstance(choice, str):
        return open_backend(choice, settings.timeout).with_prefix(prefix)
    if isinstance(choice, Backend):
        return choice.with_prefix(prefix)
    if choice is not None:
        raise ConfigurationError(
            f"unique_backend={without_password(repr(choice))}: must be a URL or a "
            "Backend object"
        )
    if eager or app.conf.task_always_eager:
        return open_backend("memory://", settings.timeout).with_prefix(prefix)
    raise ConfigurationError(
        "no store for the locks of unique tasks: neither the result backend nor the "
        'broker can hold them. Set unique_backend, as in "redis://localhost/0"; '
        f"known schemes are {', '.join(sorted(known_schemes()))}"
    )


def _store_of_app(conf: Any) -> tuple[str | None, str]:
    """Return where the app has a place for locks, and the prefix of its keys there.

    That is one that is not of this host only, if there is one.
    """
    places = [place for place in _places(conf) if can_hold_locks(place[0])]
    return min(places, key=lambda place: is_local(place[0]), default=(None, ""))


def _places(conf: Any) -> Iterator[tuple[str, str]]:
    """Yield the URLs of the result backend and the broker, in our words.

    Beside each is what Celery has its own keys there begin with.
    """
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
