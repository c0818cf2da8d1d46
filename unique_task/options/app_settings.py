"""The settings of an app as they are now, and the backend they choose.

Each call asks for them, and anybody may change them meanwhile. Celery looks through
several layers for a setting: a dict, a module, Django's settings. Asking ``app.conf``
for each one costs a hundred times what a look at the layers does. So the settings are
read again only if a layer has changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from types import ModuleType
from typing import Any

from celery import Celery

from ..backends.base import Backend
from ..backends.registry import check_is_backend, known_schemes, open_backend
from ..exceptions import ConfigurationError
from .in_tests import in_tests
from .settings import READ, READ_FOR_STORE, Settings, read

#: Attribute of an app: its settings, and the configuration they were read from.
_CACHE = "_unique_task_settings"

_MISSING = object()

_PLAIN: list[Any] = [object.__getattribute__, ModuleType.__getattribute__]

#: A function that gets values, their keys, and the values that it returned.
_Values = tuple[Callable[[Any], Any], list[Any], list[Any]]

#: A dict, its size, its newest key, a function that gets the values of those keys that
#: it has, and the values. A key that it lacks, as it does most, becomes its newest key
#: when it is added.
_Dict = tuple[Any, int, Any, Callable[[Any], Any], Any]

#: Where Celery looks first for the broker and the result backend. Without os.environ
#: around it, which encodes each name again at a cost above all the rest.
_ENVIRONMENT: Mapping[Any, Any] = getattr(os.environ, "_data", os.environ)
_VARIABLES = [
    getattr(os.environ, "encodekey", str)(name)
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
]


def settings_of(app: Celery) -> Settings:
    """Return the settings of `app`; a change of ``app.conf`` is seen by the next call.

    Raises:
        ConfigurationError: for an unknown setting or a value that is not allowed.
    """
    cached: tuple[Snapshot, Settings] | None = vars(app).get(_CACHE)
    if cached is None or not cached[0].holds(app.conf):
        cached = vars(app)[_CACHE] = _read_with_snapshot(app.conf)
    return cached[1] if in_tests.enabled is None else in_tests.settings(cached[1])


def _read_with_snapshot(conf: Any) -> tuple[Snapshot, Settings]:
    backend = conf.get("unique_backend")  # loads the configuration
    names = READ if backend is not None else (*READ, *READ_FOR_STORE)
    # Before the settings are read, so that a change meanwhile is seen as one.
    snapshot = Snapshot(conf, names)
    return snapshot, read(conf)


def backend_of(
    app: Celery, settings: Settings, option: object = None, *, eager: bool = False
) -> Backend:
    """Return the backend for the locks of `app`.

    It is the task's own `option`, else ``unique_backend``, else the result backend,
    else the broker, if these can hold locks.

    Arguments:
        eager: use locks in memory if there is no other backend.

    Raises:
        ConfigurationError: if there is none.
    """
    if in_tests.store is not None:
        return in_tests.store
    backend = _backend_of(app, settings, option, eager)
    if in_tests.warns and (eager or app.conf.task_always_eager):
        in_tests.warn_of(backend)
    return backend


def _backend_of(
    app: Celery, settings: Settings, option: object, eager: bool
) -> Backend:
    choice = settings.backend if option is None else option
    prefix = settings.key_prefix
    if prefix is None:
        prefix = settings.celery_prefix if option is None else ""
    if isinstance(choice, str):
        return open_backend(choice, settings.timeout).with_prefix(prefix)
    if isinstance(choice, Backend):
        return choice.current().with_prefix(prefix)
    if choice is not None:
        check_is_backend("unique_backend", choice)
    if eager or app.conf.task_always_eager:
        return open_backend("memory://", settings.timeout).with_prefix(prefix)
    raise ConfigurationError(
        "no store for the locks of unique tasks: neither the result backend nor the "
        'broker can hold them. Set unique_backend, as in "redis://localhost/0"; '
        f"known schemes are {', '.join(sorted(known_schemes()))}"
    )


class Snapshot:
    """The values of some settings in each layer of a configuration, at one moment.

    Arguments:
        conf: ``app.conf``, loaded.
        names: of the settings.
    """

    def __init__(self, conf: Any, names: Iterable[str]) -> None:
        self._conf = conf
        self._layers = len(conf.maps)
        keys = [key for name in names for key in getattr(conf, "_to_keys")(name)]
        keys = list(dict.fromkeys(keys))
        self._dicts: list[_Dict] = []
        self._values: list[_Values] = []
        if "broker_url" in keys:
            self._values.append(_values(_ENVIRONMENT.get, _VARIABLES))
        # The last layer are Celery's own defaults, which nobody changes.
        for layer in conf.maps[:-1]:
            self._add_layer(layer, keys)

    def holds(self, conf: Any) -> bool:
        """Tell whether `conf` is the same configuration with the same values."""
        if conf is not self._conf or len(conf.maps) != self._layers:
            return False
        if not _same_dicts(self._dicts):
            return False
        return not self._values or _same_values(self._values)

    def _add_layer(self, layer: Any, keys: list[str]) -> None:
        source = getattr(layer, "obj", layer)  # of Celery's DictAttribute
        if "_wrapped" in getattr(source, "__dict__", {}):
            # Django's settings: override_settings replaces the wrapped object, and an
            # assignment changes the one that is there.
            self._values.append(_values(vars(source).get, ["_wrapped"]))
            source = vars(vars(source)["_wrapped"])
        dicts = [source] if isinstance(source, dict) else _dicts_of(source, keys)
        if dicts is None or any(
            isinstance(d.get(k), property) for d in dicts for k in keys
        ):
            get = layer.get if source is layer else _attributes_of(source)
            self._values.append(_values(get, keys))
        else:
            self._dicts += [_dict(each, keys) for each in dicts]


def _same_dicts(dicts: list[_Dict]) -> bool:
    try:
        for source, size, newest, get, values in dicts:
            if len(source) != size or next(reversed(source), None) is not newest:
                return False
            if get(source) != values:
                return False
    except (KeyError, RuntimeError):  # another thread has just changed one
        return False
    return True


def _same_values(values: list[_Values]) -> bool:
    for get, keys, earlier in values:
        if list(map(get, keys)) != earlier:
            return False
    return True


def _values(get: Callable[[Any], Any], keys: list[Any]) -> _Values:
    return get, keys, _copied(list(map(get, keys)))


def _dict(source: Any, keys: list[str]) -> _Dict:
    there = [key for key in keys if key in source]
    get = itemgetter(*there) if there else _nothing
    newest = next(reversed(source), None)
    return source, len(source), newest, get, _copied(get(source))


def _nothing(source: Any) -> None:
    """Get no value."""


def _attributes_of(source: Any) -> Callable[[str], Any]:
    return lambda key: getattr(source, key, _MISSING)


def _dicts_of(source: Any, keys: list[str]) -> list[Any] | None:
    """Return the dicts of an object's attributes; None if code may compute them."""
    kind = source if type(source) is type else type(source)
    if hasattr(source, "__getattr__") or hasattr(kind, "__getattr__"):
        return None
    if kind.__getattribute__ not in _PLAIN:
        return None
    own = [vars(source)] if kind is not source and hasattr(source, "__dict__") else []
    classes = [] if kind is ModuleType else kind.__mro__[:-1]
    dicts = own + [vars(each) for each in classes]
    code = any(isinstance(each.get(key), property) for each in dicts for key in keys)
    return None if code else dicts


def _copied(value: Any) -> Any:
    """Return a copy of `value` that keeps the dicts and lists in it as they are now."""
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    return value
