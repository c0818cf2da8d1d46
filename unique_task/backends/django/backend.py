"""Locks in one of Django's caches."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.exceptions import ImproperlyConfigured

from ...exceptions import ConfigurationError
from ..base import Backend
from ..prefixed import PrefixedBackend
from ..promises import Promises
from .any_cache import AnyCacheBackend
from .misconfigured import misconfigured
from .native import kinds, native_store
from .url import alias_of, cache_url

_DUMMY = "django.core.cache.backends.dummy.DummyCache"
_LOCAL = "django.core.cache.backends.locmem.LocMemCache"


class DjangoCacheBackend(PrefixedBackend):
    """Locks in the server of one of Django's caches.

    For a cache in Redis (Django's own, or that of ``django-redis``) or in memcached,
    this is a :class:`RedisBackend` or a :class:`MemcachedBackend` on the same server,
    with all its promises, its own connections and time limits. The cache's
    ``KEY_PREFIX`` keeps the locks of two projects apart; its ``VERSION`` and
    ``KEY_FUNCTION`` do not, as they may change while a lock is held. The cache's
    ``clear()`` deletes all locks: give them a separate cache.

    It refuses all other caches: they have no step that releases a lock only if it is
    still the attempt's own.

    Arguments:
        alias: of the cache, in ``CACHES``.
        unsafe: accept any cache; two tasks may then run at once.
        timeout: seconds that one operation may take at most, reconnecting included.

    Attributes:
        store: the backend for the cache's server.

    Raises:
        ConfigurationError: if there is no such cache, or it can hold no locks.
    """

    promises = Promises(
        restart="what the cache's server keeps",
        needs="unique_task[django]",
        several_holders=True,
        lists=True,
        counts=True,
        warning="cache.clear() deletes all locks in a cache, and a server that evicts "
        "keys may delete them too: give the locks a cache on a separate server",
    )

    def __init__(
        self, alias: str = "default", *, unsafe: bool = False, timeout: float = 2.0
    ) -> None:
        self.name = cache_url(alias)
        self.timeout = timeout
        try:
            cache = _cache(alias)
            self.store, self._prefix = self._open(cache, alias, unsafe, timeout)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.name}: {error}") from error
        self._take_over(self.store)
        self.promises = self._promises_with(self.store.promises)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> DjangoCacheBackend:
        alias, unsafe = alias_of(url)
        return cls(alias, unsafe=unsafe, timeout=timeout)

    def _open(
        self, cache: Any, alias: str, unsafe: bool, timeout: float
    ) -> tuple[Backend, str]:
        """Return the backend for a cache, and the prefix of its keys."""
        native = native_store(cache, timeout)
        if native is not None:
            store, place = native
            self.name = f"{self.name} ({place})"
            return store, f"{cache.key_prefix}:" if cache.key_prefix else ""
        kind = type(cache).__name__
        if _DUMMY in kinds(cache):
            raise ConfigurationError(
                f"a {kind} keeps nothing, and no locks either: name another cache"
            )
        if not unsafe:
            raise ConfigurationError(
                f"a {kind} has no compare-and-delete, so a task that ends late could "
                "release the lock of the next one: name a cache in Redis or memcached, "
                f"or accept that with {cache_url(alias)}?unsafe=true"
            )
        self.name = f"{self.name} ({kind})"
        # The cache adds its prefix itself.
        local = _LOCAL in kinds(cache)
        return AnyCacheBackend(alias, timeout=timeout, local=local), ""

    def _promises_with(self, store: Promises) -> Promises:
        if isinstance(self.store, AnyCacheBackend):
            return store
        own = DjangoCacheBackend.promises
        needs = " ".join(filter(None, (own.needs, store.needs)))
        warning = "; ".join(filter(None, (store.warning, own.warning)))
        return replace(store, needs=needs, warning=warning)

    def _prefixed_by(self, prefix: str) -> DjangoCacheBackend:
        twin = copy(self)
        twin.__dict__.pop("_prefixed", None)  # the twin has its own
        twin.store = self.store.with_prefix(prefix)
        twin.name = f"{self.name} (prefix {prefix!r})"
        return twin


def _cache(alias: str) -> Any:
    """Return the cache of this thread; Django's caches connect on first use."""
    try:
        known = settings.CACHES
    except ImproperlyConfigured as error:
        raise misconfigured(error) from error
    if alias not in known:
        raise ConfigurationError(
            f"Django's CACHES has no {alias!r}; it has {', '.join(sorted(known))}"
        )
    try:
        return caches[alias]
    except (ImproperlyConfigured, InvalidCacheBackendError, ImportError) as error:
        raise ConfigurationError(f"Django cannot make this cache: {error}") from error
