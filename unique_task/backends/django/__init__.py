"""Locks in one of Django's caches."""

from .backend import DjangoCacheBackend

__all__ = ["DjangoCacheBackend"]
