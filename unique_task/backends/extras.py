"""What to install for a store whose driver is missing."""

from __future__ import annotations

#: Scheme of a URL, without a driver -> the extra that has all it needs.
EXTRAS = {
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlalchemy",
    "memcached": "memcached",
    "django-cache": "django",
}

_LIBPQ = "; where PostgreSQL's library libpq is missing: pip install 'psycopg[binary]'"


def advice(scheme: str) -> str:
    """Return what to do where a store of this scheme lacks a module."""
    more = _LIBPQ if scheme == "postgresql" else ""
    return f"pip install 'unique_task[{EXTRAS[scheme]}]'{more}"
