"""Locks in a database: PostgreSQL, MariaDB, MySQL or SQLite."""

from .backend import SQLBackend

__all__ = ["SQLBackend"]
