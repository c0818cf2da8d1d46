"""Locks in Redis or Valkey: one server, Sentinels, or a Cluster."""

from .backend import RedisBackend

__all__ = ["RedisBackend"]
