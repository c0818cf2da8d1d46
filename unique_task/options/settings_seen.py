"""Tells whether an app's configuration still says what was read from it.

Celery looks through several layers for each setting, some of which anybody may change
without its knowledge: a dict, a module, Django's settings. To ask ``app.conf`` for each
setting costs a hundred times what a look at the layers does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

_MISSING = object()

_PLAIN: list[Any] = [object.__getattribute__, ModuleType.__getattribute__]

#: What gets values, their keys, and the values.
_Values = tuple[Callable[[Any], Any], list[Any], list[Any]]

#: A dict, its size, its newest key, and as above the values of the keys that it has. A
#: key that it lacks, as it does most, would be the newest when it comes.
_Dict = tuple[Any, int, Any, Callable[[Any], Any], list[Any], list[Any]]

#: Where Celery looks first for the broker and the result backend. Behind os.environ,
#: which encodes each name anew and would cost more than all the rest.
_ENVIRONMENT: Mapping[Any, Any] = getattr(os.environ, "_data", os.environ)
_VARIABLES = [
    getattr(os.environ, "encodekey", str)(name)
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
]


class Seen:
    """What the layers of a configuration say at this moment of some settings.

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
            self._look_at(layer, keys)

    def holds(self, conf: Any) -> bool:
        """Tell whether `conf` is the same configuration and says the same."""
        if conf is not self._conf or len(conf.maps) != self._layers:
            return False
        return _same_dicts(self._dicts) and _same_values(self._values)

    def _look_at(self, layer: Any, keys: list[str]) -> None:
        source = getattr(layer, "obj", layer)  # of Celery's DictAttribute
        if "_wrapped" in getattr(source, "__dict__", {}):
            # Django's settings: override_settings puts others in place of those that
            # it overrides, and an assignment goes to those in place.
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
        for source, size, newest, get, keys, said in dicts:
            if len(source) != size or next(reversed(source), None) is not newest:
                return False
            if list(map(get, keys)) != said:
                return False
    except RuntimeError:  # another thread has just changed one
        return False
    return True


def _same_values(values: list[_Values]) -> bool:
    for get, keys, said in values:
        if list(map(get, keys)) != said:
            return False
    return True


def _values(get: Callable[[Any], Any], keys: list[Any]) -> _Values:
    return get, keys, _copied(list(map(get, keys)))


def _dict(source: Any, keys: list[str]) -> _Dict:
    there = [key for key in keys if key in source]
    return (
        source,
        len(source),
        next(reversed(source), None),
        *_values(source.get, there),
    )


def _attributes_of(source: Any) -> Callable[[str], Any]:
    return lambda key: getattr(source, key, _MISSING)


def _dicts_of(source: Any, keys: list[str]) -> list[Any] | None:
    """Return where the attributes of an object are; None if they may come from code."""
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


def _copied(said: Any) -> Any:
    """Return a copy of `said` that does not change with the dicts and lists in it."""
    if type(said) is dict:
        return {key: _copied(value) for key, value in said.items()}
    if type(said) is list:
        return [_copied(value) for value in said]
    return said
