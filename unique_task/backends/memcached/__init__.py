"""Locks in memcached."""

from .backend import MemcachedBackend

__all__ = ["MemcachedBackend"]
